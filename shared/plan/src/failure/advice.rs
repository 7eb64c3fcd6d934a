//! Codes of Microsoft's sign-in in plain words: what each usually means and what to do (C6).

/// What an AADSTS code usually means and what to do (Microsoft identity platform documentation,
/// error codes, and public reports of them).
pub fn aadsts_advice(code: u32) -> &'static str {
    application(code).or_else(|| person(code)).unwrap_or(
        "Look the code up in Microsoft's list of sign-in error codes, then authorise again.",
    )
}

/// The same for a sign-in in a browser, which may end with a word of OAuth and without a code
/// (identity platform documentation, authorization code flow and admin consent).
pub fn sign_in_advice(code: Option<u32>, error: &str) -> &'static str {
    match (code, error) {
        (Some(code), _) => aadsts_advice(code),
        (None, "access_denied" | "consent_required" | "permission_denied") => aadsts_advice(65_004),
        (None, "temporarily_unavailable" | "server_error") => {
            "Microsoft's sign-in has a problem of its own. Try again in some minutes."
        }
        (None, "login_required" | "interaction_required") => {
            "Microsoft asks for another step at the sign-in. Authorise again and complete it."
        }
        (None, _) => {
            "Check the tenant, the application id and the registered redirect URI, then authorise again."
        }
    }
}

/// Codes about the application: its credentials, its tenant, what it was granted.
fn application(code: u32) -> Option<&'static str> {
    Some(match code {
        7_000_215 => {
            "The client secret is wrong; often the secret's id was pasted instead of its value. Enter the value."
        }
        7_000_222 => {
            "The client secret has expired. Make a new one in the app registration and enter it here."
        }
        7_000_218 => "No secret or certificate was sent. Enter the connection's credentials.",
        700_027 => {
            "The certificate is not registered in the app registration, or the key does not belong to it. Upload the certificate there."
        }
        700_024 => {
            "The signed request is outside its valid time. Check the clock of this deployment."
        }
        700_021 => {
            "The signed request names another application. Check auth.client_id of the connection."
        }
        700_023 => {
            "The signed request names another tenant or cloud. Check the tenant id and the cloud setting."
        }
        50_012 | 50_013 | 500_133 => {
            "The signed request was not understood or came too late. Check the clock of this deployment, and set auth.assertion to \"rs256\" if the certificate's keeper has no PSS."
        }
        700_016 => {
            "The application id is not known in this tenant: the tenant id is wrong, or nobody consented yet. Check both ids and grant admin consent."
        }
        70_001 => {
            "The application is not there or disabled in this tenant. Check the application id, and enable the enterprise application."
        }
        7_000_112 => {
            "The application is disabled in this tenant. Enable the enterprise application."
        }
        90_002 => {
            "The tenant was not found. Check the tenant id, and whether the tenant is in another cloud than the connection says."
        }
        90_038 | 900_384 => {
            "The tenant is in another national cloud. Set the connection's cloud to the one in which the tenant is."
        }
        900_144 => {
            "A part of the sign-in request is missing. Check that tenant id, application id and credentials are all set."
        }
        70_011 => {
            "The requested scope is wrong. Check the cloud setting; a token of one cloud does not work in another."
        }
        700_022 => {
            "Permissions of two services were asked for at once. Check the addresses in the cloud setting."
        }
        50_194 => {
            "The application is for one tenant only, and another was named. Check the tenant id."
        }
        50_196 => {
            "The same sign-in was asked for too often in a short time. Wait some minutes, then authorise again."
        }
        90_055 => "Entra throttles this tenant. Try again later.",
        _ => return None,
    })
}

/// Codes about a person who signs in or signed in, and what an administrator allowed.
fn person(code: u32) -> Option<&'static str> {
    Some(match code {
        50_011 | 500_112 => {
            "The redirect URI is not registered with the application. Add the one that the connection's permissions show to the app registration, as a platform of the kind \"Web\"."
        }
        65_001 => {
            "Nobody has consented to the permissions. An administrator of the tenant has to grant admin consent; the connection's permissions show the address."
        }
        65_004 => {
            "Consent was declined. Begin the sign-in again and accept, or have an administrator grant admin consent first."
        }
        90_094 => {
            "Only an administrator may consent to these permissions. Have one open the admin-consent address, then sign in again."
        }
        50_034 => {
            "The account does not exist in this tenant. Sign in with an account of the tenant."
        }
        50_020 => {
            "The account belongs to another tenant and is not admitted in this one. Sign in with an account of the tenant, or invite it as a guest."
        }
        50_057 => "The account that signed in is disabled. Sign in with another one.",
        50_105 => {
            "The account is not assigned to the application. Assign it in the enterprise application."
        }
        53_003 => {
            "Conditional access blocks this sign-in. Exclude the application or meet the policy."
        }
        50_076 => {
            "Multi-factor authentication is asked for. Authorise again and complete it at the sign-in."
        }
        50_079 => {
            "The account has to set up multi-factor authentication first. Sign in to Microsoft with it, set it up, then authorise again."
        }
        70_000 => "Microsoft does not know this sign-in any more. Authorise again and sign in.",
        70_008 => "The sign-in has expired. Authorise again and sign in.",
        50_173 => {
            "The sign-in was revoked, by an administrator or with a reset password. Authorise again and sign in."
        }
        70_043 => {
            "A policy asks for a new sign-in from time to time. Exclude the application from it, then authorise again and sign in."
        }
        700_082 => "The sign-in was unused for 90 days. Authorise again and sign in.",
        700_084 => {
            "The redirect URI is registered as that of a single-page application, whose sign-ins last a day. Register it under the platform \"Web\", then authorise again."
        }
        54_005 => {
            "The sign-in's code was used already, as when its page is loaded twice. Begin the sign-in again."
        }
        501_481 => {
            "The code belongs to another sign-in than the one that was begun here. Begin the sign-in again."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Codes that mean the same and are said alike.
    const ALIKE: &[u32] = &[900_384, 50_013, 500_133, 500_112];

    /// All codes that the login service is known to answer an import with.
    const CODES: &[u32] = &[
        7_000_215, 7_000_222, 7_000_218, 700_027, 700_024, 700_021, 700_023, 50_012, 50_013,
        500_133, 700_016, 70_001, 7_000_112, 90_002, 90_038, 900_384, 900_144, 70_011, 700_022,
        65_001, 65_004, 90_094, 50_034, 50_020, 50_057, 50_105, 53_003, 50_076, 50_079, 70_000,
        70_008, 50_173, 70_043, 700_082, 700_084, 50_194, 50_196, 90_055, 54_005, 501_481, 50_011,
        500_112,
    ];

    #[test]
    fn each_code_has_words_of_its_own() {
        // C6
        let mut said: BTreeMap<&str, u32> = BTreeMap::new();
        let unknown = aadsts_advice(1);
        for code in CODES {
            let advice = aadsts_advice(*code);
            assert_ne!(advice, unknown, "{code}");
            assert!(
                advice.matches(". ").count() >= 1 || *code == 7_000_218,
                "what to do: {advice}"
            );
            let first = said.insert(advice, *code);
            assert!(first.is_none() || ALIKE.contains(code), "{code} as {first:?}");
        }
    }
}
