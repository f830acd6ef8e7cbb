//! Encryption in the age format (age-encryption.org/v1): anybody's `age` opens what is sealed here.

use std::io::{Read, Write};
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};

use super::BackupError;

/// Seals for those who hold one of the keys; for nobody in particular where it has no recipient.
#[derive(Clone, Default)]
pub struct Sealer {
    recipients: Vec<Recipient>,
}

impl Sealer {
    /// Each word is a recipient (`age1…`) or a file: with recipients, one a line, or with the secret
    /// key that [`new_key`] wrote, whose recipient is then taken.
    ///
    /// # Errors
    /// A word that is neither.
    pub fn of(words: &[String]) -> Result<Sealer, BackupError> {
        let mut recipients = Vec::new();
        for word in words {
            match word.parse::<Recipient>() {
                Ok(recipient) => recipients.push(recipient),
                Err(_) => recipients.extend(recipients_in(word)?),
            }
        }
        Ok(Sealer { recipients })
    }

    pub(super) fn is_open(&self) -> bool {
        self.recipients.is_empty()
    }

    /// As the manifest names them, in an order of their own.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.recipients.iter().map(Recipient::to_string).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Writes through `write`, sealed or not.
    pub(super) fn seal<W: Write>(
        &self,
        out: W,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> std::io::Result<W> {
        let mut out = out;
        if self.recipients.is_empty() {
            write(&mut out)?;
            return Ok(out);
        }
        let recipients = self.recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(std::io::Error::other)?;
        let mut sealed = encryptor.wrap_output(out)?;
        write(&mut sealed)?;
        sealed.finish()
    }
}

fn recipients_in(file: &str) -> Result<Vec<Recipient>, BackupError> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        BackupError::Key(format!(
            "the recipient {file:?} is neither a public key (age1…) nor a file that can be read: {e}"
        ))
    })?;
    let mut recipients = Vec::new();
    for line in lines(&text) {
        let recipient = match line.parse::<Identity>() {
            Ok(identity) => identity.to_public(),
            Err(_) => line
                .parse::<Recipient>()
                .map_err(|e| BackupError::Key(format!("{file} holds a line that is no age key: {e}")))?,
        };
        recipients.push(recipient);
    }
    if recipients.is_empty() {
        return Err(BackupError::Key(format!("{file} holds no age key")));
    }
    Ok(recipients)
}

/// The lines of a key file that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Opens what is sealed.
#[derive(Default)]
pub struct Opener {
    identities: Vec<Identity>,
}

impl Opener {
    /// The secret keys in a file.
    ///
    /// # Errors
    /// Where it cannot be read or holds none.
    pub fn from_file(file: &Path) -> Result<Opener, BackupError> {
        let text = std::fs::read_to_string(file).map_err(|e| {
            BackupError::Key(format!("the key file {} cannot be read: {e}", file.display()))
        })?;
        let parsed: Result<Vec<Identity>, &str> = lines(&text).map(str::parse).collect();
        let identities = parsed.map_err(|e| {
            BackupError::Key(format!("{} holds a line that is no secret age key: {e}", file.display()))
        })?;
        if identities.is_empty() {
            return Err(BackupError::Key(format!("{} holds no secret age key", file.display())));
        }
        Ok(Opener { identities })
    }

    /// What is read from the answer is plain.
    pub(super) fn open<'r>(
        &self,
        sealed: bool,
        file: &str,
        input: impl Read + 'r,
    ) -> Result<Box<dyn Read + 'r>, BackupError> {
        if !sealed {
            return Ok(Box::new(input));
        }
        if self.identities.is_empty() {
            return Err(BackupError::Key(
                "the backup is encrypted; name the file with its secret key: --identity FILE".to_owned(),
            ));
        }
        let damaged = |what: String| BackupError::Damaged { file: file.to_owned(), what };
        let decryptor = age::Decryptor::new(input).map_err(|e| damaged(e.to_string()))?;
        let identities = self.identities.iter().map(|identity| identity as &dyn age::Identity);
        match decryptor.decrypt(identities) {
            Ok(plain) => Ok(Box::new(plain)),
            Err(age::DecryptError::NoMatchingKeys) => Err(BackupError::Key(
                "the backup is encrypted for another key; name the file with the secret key that belongs to it: --identity FILE".to_owned(),
            )),
            Err(e) => Err(damaged(e.to_string())),
        }
    }
}

/// Makes a key pair: the secret key goes into a new file that only its owner can read. Answers the
/// public one.
///
/// # Errors
/// Where the file is there already or cannot be written.
pub fn new_key(file: &Path) -> Result<String, BackupError> {
    use std::os::unix::fs::OpenOptionsExt;
    let identity = Identity::generate();
    let public = identity.to_public().to_string();
    let write = || {
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        writeln!(out, "# Secret key of Pantau backups. Who has it can read them; without it nobody can.")?;
        writeln!(out, "# public key: {public}")?;
        writeln!(out, "{}", identity.to_string().expose_secret())?;
        out.sync_all()
    };
    write().map_err(|source| BackupError::Write { path: file.to_owned(), source })?;
    Ok(public)
}
