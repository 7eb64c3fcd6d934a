//! Certificates and keys that nobody else has, as PEM.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd};

/// A certificate and its private key.
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// A certificate with an RSA key that is good until the end of a year.
pub fn rsa(until: i32) -> Certified {
    certified(&KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(), until)
}

/// One with a key on an elliptic curve, which Microsoft's sign-in does not take.
pub fn elliptic(until: i32) -> Certified {
    certified(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), until)
}

fn certified(pair: &KeyPair, until: i32) -> Certified {
    let mut params = CertificateParams::new(vec!["import.contoso.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 12, 31);
    let certificate = params.self_signed(pair).unwrap().pem();
    Certified { certificate, key: pair.serialize_pem() }
}
