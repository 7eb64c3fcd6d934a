//! Where login and Graph are, for each cloud (C2).

use plan::document::Cloud;

/// Login and Graph of a cloud, each as `https://host` without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hosts {
    /// The login service.
    pub login: String,
    /// Graph, without `/v1.0`.
    pub graph: String,
}

impl Hosts {
    /// The hosts of a cloud (Microsoft Graph documentation, national cloud deployments; for China's
    /// login two pages disagree, and this is the one of the identity platform).
    pub fn of(cloud: &Cloud) -> Self {
        let (login, graph) = match cloud {
            Cloud::Global => ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
            Cloud::UsGov => ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
            Cloud::UsGovDod => {
                ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us")
            }
            Cloud::China => (
                "https://login.partner.microsoftonline.cn",
                "https://microsoftgraph.chinacloudapi.cn",
            ),
            Cloud::Custom { login, graph } => (login.as_str(), graph.as_str()),
        };
        let host = |text: &str| text.trim_end_matches('/').to_owned();
        Self { login: host(login), graph: host(graph) }
    }
}
