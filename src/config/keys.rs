//! Key and certificate files.

use super::{ConfigError, read_text as read};
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use std::path::Path;

/// The Ed25519 private key of a PKCS#8 PEM file.
///
/// # Errors
/// [`ConfigError::Read`], [`ConfigError::Key`].
pub fn signing_key(path: &Path) -> Result<SigningKey, ConfigError> {
    SigningKey::from_pkcs8_pem(&read(path)?).map_err(|error| ConfigError::Key {
        path: path.to_owned(),
        problem: error.to_string(),
        expected: "an Ed25519 private key as PKCS#8 PEM (openssl genpkey -algorithm ed25519)",
    })
}

/// The Ed25519 public key of an SPKI PEM file.
///
/// # Errors
/// [`ConfigError::Read`], [`ConfigError::Key`].
pub fn verifying_key(path: &Path) -> Result<VerifyingKey, ConfigError> {
    VerifyingKey::from_public_key_pem(&read(path)?).map_err(|error| ConfigError::Key {
        path: path.to_owned(),
        problem: error.to_string(),
        expected: "an Ed25519 public key as PEM (openssl pkey -in PRIVATE -pubout)",
    })
}

/// A new key pair as PEM: private (PKCS#8) and public (SPKI).
pub fn generate() -> (String, String) {
    let key = SigningKey::from_bytes(&rand::random());
    let private = key.to_pkcs8_pem(LineEnding::LF).expect("a fresh key encodes");
    let public = key.verifying_key().to_public_key_pem(LineEnding::LF).expect("a fresh key encodes");
    (private.to_string(), public)
}
