//! The contract of [`Secrets`].

use engine::secrets::{ExposeSecret, LONGEST, SecretName, Secrets};
use plan::ids::ConnectionId;

/// Checks an empty secret store against a second one of another deployment.
pub async fn secrets(secrets: &dyn Secrets, other: &dyn Secrets) {
    values(secrets).await;
    names_are_apart(secrets, other).await;
    deleting(secrets).await;
    limits(secrets).await;
}

fn credentials(connection: &str) -> SecretName {
    SecretName::credentials(&connection.parse::<ConnectionId>().unwrap())
}

async fn read(secrets: &dyn Secrets, name: &SecretName) -> Option<String> {
    let value = secrets.get(name).await.unwrap();
    value.map(|value| value.expose_secret().to_owned())
}

async fn write(secrets: &dyn Secrets, name: &SecretName, value: &str) {
    secrets.put(name, &value.to_owned().into()).await.unwrap();
    assert_eq!(read(secrets, name).await.as_deref(), Some(value));
}

/// Every value comes back as it was, also one that was there before a newer one.
async fn values(secrets: &dyn Secrets) {
    let name = SecretName::halo();
    assert_eq!(read(secrets, &name).await, None);
    let pem = "-----BEGIN KEY-----\nAbC+/=\r\n-----END KEY-----\n";
    for value in
        ["plain", "new", "new", "plain", "{\"a\": \"\\\"quoted\\\"\"}", pem, " ü 🦀 \t", "\n"]
    {
        write(secrets, &name, value).await;
    }
}

// C1
async fn names_are_apart(secrets: &dyn Secrets, other: &dyn Secrets) {
    let names = [credentials("a"), credentials("a-b"), credentials("b"), SecretName::halo()];
    for name in &names {
        write(secrets, name, name.as_str()).await;
    }
    write(other, &names[0], "another deployment").await;
    for name in &names {
        assert_eq!(read(secrets, name).await.as_deref(), Some(name.as_str()));
    }
    assert_eq!(read(other, &names[1]).await, None);
    other.delete(&names[1]).await.unwrap();
    assert!(read(secrets, &names[1]).await.is_some());
}

async fn deleting(secrets: &dyn Secrets) {
    let name = credentials("short-lived");
    secrets.delete(&name).await.unwrap();
    for value in ["first", "second"] {
        write(secrets, &name, value).await;
        for _ in 0..2 {
            secrets.delete(&name).await.unwrap();
            assert_eq!(read(secrets, &name).await, None);
        }
    }
    write(secrets, &name, "back").await;
}

async fn limits(secrets: &dyn Secrets) {
    let name = credentials("long");
    write(secrets, &name, &"x".repeat(LONGEST)).await;
    let long = "y".repeat(LONGEST + 1);
    let refusal = secrets.put(&name, &long.into()).await.unwrap_err().to_string();
    assert!(refusal.contains("bytes") && !refusal.contains("yy"), "{refusal}");
    assert_eq!(read(secrets, &name).await.map(|value| value.len()), Some(LONGEST));
}
