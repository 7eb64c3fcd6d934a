//! A certificate with its private key, read from PEM and found to belong together (C3, C9).

use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use x509_cert::Certificate as X509;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Encode, pem};

/// RSA keys, the only ones that PS256 and RS256 sign with (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A certificate with the private key that belongs to it.
#[derive(Clone)]
pub struct Certificate {
    /// The certificate alone, as PEM.
    pub pem: String,
    /// The private key as PEM, without what stood around it.
    pub key: SecretString,
    /// SHA-1 of the DER in base64url, as `x5t`.
    pub x5t: String,
    /// SHA-256 of the DER in base64url, as `x5t#S256`.
    pub x5t_s256: String,
    /// The end of its validity.
    pub expires: Timestamp,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.x5t_s256)
    }
}

/// What is wrong with a PEM. It never quotes what was entered (C4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPem {
    /// The certificate.
    Certificate(&'static str),
    /// The private key.
    Key(&'static str),
}

impl Certificate {
    /// Reads both. Of several certificates, as in a file with its chain, the key's own is taken.
    pub fn read(certificate_pem: &str, private_key_pem: &SecretString) -> Result<Self, BadPem> {
        let chain = X509::load_pem_chain(certificate_pem.as_bytes()).unwrap_or_default();
        if chain.is_empty() {
            return Err(BadPem::Certificate(
                "Expected a certificate in PEM: lines from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
            ));
        }
        let rsa = |it: &&X509| public_key(it).algorithm.oid == RSA;
        if !chain.iter().any(|it| rsa(&it)) {
            return Err(BadPem::Certificate(
                "Its key is no RSA key, and Microsoft's sign-in takes signatures of RSA keys only. Make a certificate with an RSA key of 2048 bits or more.",
            ));
        }
        let (pair, key) = read_key(private_key_pem)?;
        let belongs = |it: &&X509| {
            public_key(it).subject_public_key.raw_bytes() == pair.public_key().as_ref()
        };
        let own = chain.iter().filter(rsa).find(belongs).ok_or(BadPem::Key(
            "The private key does not belong to the certificate. Enter the key with which the certificate was made.",
        ))?;
        let unreadable = BadPem::Certificate("The certificate cannot be read.");
        let der = own.to_der().map_err(|_| unreadable)?;
        let end = own.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
        let expires = i64::try_from(end).ok().and_then(|end| Timestamp::from_second(end).ok());
        let print = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest(algorithm, &der));
        Ok(Self {
            pem: pem::encode_string("CERTIFICATE", pem::LineEnding::LF, &der)
                .map_err(|_| unreadable)?,
            key,
            x5t: print(&SHA1_FOR_LEGACY_USE_ONLY),
            x5t_s256: print(&SHA256),
            // The standard's "no well-defined end" is beyond what a timestamp holds.
            expires: expires.unwrap_or(Timestamp::MAX),
        })
    }
}

fn public_key(certificate: &X509) -> &x509_cert::spki::SubjectPublicKeyInfoOwned {
    certificate.tbs_certificate().subject_public_key_info()
}

fn read_key(pem_text: &SecretString) -> Result<(KeyPair, SecretString), BadPem> {
    let bad = BadPem::Key(
        "Expected a private key in PEM: lines from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----.",
    );
    let (label, der) = pem::decode_vec(pem_text.expose_secret().as_bytes()).map_err(|_| bad)?;
    let pair = match label {
        "PRIVATE KEY" => KeyPair::from_pkcs8(&der),
        "RSA PRIVATE KEY" => KeyPair::from_der(&der),
        "ENCRYPTED PRIVATE KEY" => {
            return Err(BadPem::Key(
                "The private key is protected by a password. Enter it without one, as `openssl pkey` writes it.",
            ));
        }
        "EC PRIVATE KEY" | "DSA PRIVATE KEY" => {
            return Err(BadPem::Key(
                "This is no RSA key, and Microsoft's sign-in takes signatures of RSA keys only.",
            ));
        }
        _ => return Err(bad),
    };
    let pair = pair.map_err(|_| {
        BadPem::Key("Expected an RSA key of 2048 to 8192 bits; this is another, or damaged.")
    })?;
    let key = pem::encode_string(label, pem::LineEnding::LF, &der).map_err(|_| bad)?;
    Ok((pair, key.into()))
}
