//! What people call the best-known products, by the part number that Graph has for them.

/// Part numbers in order, each with the product's name (Microsoft Entra documentation, product names
/// and service plan identifiers for licensing).
const PRODUCTS: &[(&str, &str)] = &[
    ("AAD_BASIC", "Microsoft Entra ID Basic"),
    ("AAD_PREMIUM", "Microsoft Entra ID P1"),
    ("AAD_PREMIUM_P2", "Microsoft Entra ID P2"),
    ("ADALLOM_STANDALONE", "Microsoft Cloud App Security"),
    ("ATA", "Microsoft Defender for Identity"),
    ("ATP_ENTERPRISE", "Microsoft Defender for Office 365 (Plan 1)"),
    ("CRMSTANDARD", "Microsoft Dynamics CRM Online"),
    ("DESKLESSPACK", "Office 365 F3"),
    ("DYN365_ENTERPRISE_PLAN1", "Dynamics 365 Customer Engagement Plan"),
    ("DYN365_ENTERPRISE_SALES", "Dynamics 365 for Sales Enterprise Edition"),
    ("EMS", "Enterprise Mobility + Security E3"),
    ("EMSPREMIUM", "Enterprise Mobility + Security E5"),
    ("ENTERPRISEPACK", "Office 365 E3"),
    ("ENTERPRISEPACKPLUS_FACULTY", "Office 365 A3 for faculty"),
    ("ENTERPRISEPACKPLUS_STUDENT", "Office 365 A3 for students"),
    ("ENTERPRISEPREMIUM", "Office 365 E5"),
    ("ENTERPRISEPREMIUM_FACULTY", "Office 365 A5 for faculty"),
    ("ENTERPRISEPREMIUM_NOPSTNCONF", "Office 365 E5 Without Audio Conferencing"),
    ("ENTERPRISEPREMIUM_STUDENT", "Office 365 A5 for students"),
    ("ENTERPRISEWITHSCAL", "Office 365 E4"),
    ("EXCHANGEARCHIVE_ADDON", "Exchange Online Archiving for Exchange Online"),
    ("EXCHANGEDESKLESS", "Exchange Online Kiosk"),
    ("EXCHANGEENTERPRISE", "Exchange Online (Plan 2)"),
    ("EXCHANGESTANDARD", "Exchange Online (Plan 1)"),
    ("FLOW_FREE", "Microsoft Power Automate Free"),
    ("IDENTITY_THREAT_PROTECTION", "Microsoft 365 E5 Security"),
    ("INFORMATION_PROTECTION_COMPLIANCE", "Microsoft 365 E5 Compliance"),
    ("INTUNE_A", "Intune"),
    ("M365EDU_A1", "Microsoft 365 A1"),
    ("M365EDU_A3_FACULTY", "Microsoft 365 A3 for Faculty"),
    ("M365EDU_A3_STUDENT", "Microsoft 365 A3 for Students"),
    ("M365EDU_A5_FACULTY", "Microsoft 365 A5 for Faculty"),
    ("M365EDU_A5_STUDENT", "Microsoft 365 A5 for Students"),
    ("M365_F1", "Microsoft 365 F1"),
    ("MCOEV", "Microsoft Teams Phone Standard"),
    ("MCOMEETADV", "Microsoft 365 Audio Conferencing"),
    ("MEETING_ROOM", "Microsoft Teams Rooms Standard"),
    ("O365_BUSINESS", "Microsoft 365 Apps for Business"),
    ("O365_BUSINESS_ESSENTIALS", "Microsoft 365 Business Basic"),
    ("O365_BUSINESS_PREMIUM", "Microsoft 365 Business Standard"),
    ("OFFICESUBSCRIPTION", "Microsoft 365 Apps for Enterprise"),
    ("POWERAPPS_VIRAL", "Microsoft Power Apps Plan 2 Trial"),
    ("POWER_BI_PRO", "Power BI Pro"),
    ("POWER_BI_STANDARD", "Microsoft Fabric (Free)"),
    ("PROJECTESSENTIALS", "Project Online Essentials"),
    ("PROJECTPREMIUM", "Project Online Premium"),
    ("PROJECTPROFESSIONAL", "Planner and Project Plan 3"),
    ("PROJECT_P1", "Planner Plan 1"),
    ("RIGHTSMANAGEMENT", "Azure Information Protection Plan 1"),
    ("RIGHTSMANAGEMENT_ADHOC", "Rights Management Adhoc"),
    ("SHAREPOINTENTERPRISE", "SharePoint Online (Plan 2)"),
    ("SHAREPOINTSTANDARD", "SharePoint Online (Plan 1)"),
    ("SPB", "Microsoft 365 Business Premium"),
    ("SPE_E3", "Microsoft 365 E3"),
    ("SPE_E5", "Microsoft 365 E5"),
    ("SPE_F1", "Microsoft 365 F3"),
    ("STANDARDPACK", "Office 365 E1"),
    ("STANDARDWOFFPACK_FACULTY", "Office 365 A1 for faculty"),
    ("STANDARDWOFFPACK_STUDENT", "Office 365 A1 for students"),
    ("STREAM", "Microsoft Stream"),
    ("TEAMS_EXPLORATORY", "Microsoft Teams Exploratory"),
    ("THREAT_INTELLIGENCE", "Microsoft Defender for Office 365 (Plan 2)"),
    ("VISIOCLIENT", "Visio Plan 2"),
    ("VISIOONLINE_PLAN1", "Visio Plan 1"),
    ("WINDOWS_STORE", "Windows Store for Business"),
    ("WIN_DEF_ATP", "Microsoft Defender for Endpoint"),
];

/// The name of the product with this part number (S1); `None` = not among the best-known.
pub fn product_name(part_number: &str) -> Option<&'static str> {
    let at = PRODUCTS.binary_search_by(|(known, _)| (*known).cmp(part_number)).ok()?;
    PRODUCTS.get(at).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_each_thing_once() {
        for pair in PRODUCTS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} comes after {}", pair[0].0, pair[1].0);
        }
        let mut names: Vec<&str> = PRODUCTS.iter().map(|(_, name)| *name).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1], "two products of one name cannot be told apart");
        }
        for (part, name) in PRODUCTS {
            assert!(
                part.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
            );
            assert_eq!(*name, name.trim(), "{part}");
        }
    }

    #[test]
    fn well_known_products_have_a_name() {
        // S1
        let cases = [
            ("AAD_BASIC", Some("Microsoft Entra ID Basic")),
            ("SPE_E3", Some("Microsoft 365 E3")),
            ("SPE_F1", Some("Microsoft 365 F3")),
            ("O365_BUSINESS_PREMIUM", Some("Microsoft 365 Business Standard")),
            ("WIN_DEF_ATP", Some("Microsoft Defender for Endpoint")),
            ("spe_e3", None),
            ("SPE_E", None),
            ("ZZZ", None),
            ("", None),
        ];
        for (part, expected) in cases {
            assert_eq!(product_name(part), expected, "{part}");
        }
    }
}
