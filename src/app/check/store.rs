//! The store's database.

use super::Finding;
use crate::config::Config;
use crate::grant::OpenError;
use crate::grant::store::identify;

/// Checks whether the database is one that the gateway opens. Reads only; a running gateway is not disturbed.
pub(super) async fn look(config: &Config) -> Finding {
    let folder = config.store.folder.display();
    match identify(&config.store.folder).await {
        Ok(None) => Finding::ok(format!("There is no store in {folder} yet: the first start creates it.")),
        Ok(Some(schema)) => {
            Finding::ok(format!("The store in {folder} is of this program (version {schema})."))
        }
        Err(error) => Finding::wrong(
            format!("The store cannot be opened: {error}."),
            cause(&error),
            "Until then the gateway does not start. docs/operating.md describes backup and restore.",
        ),
    }
}

fn cause(error: &OpenError) -> &'static str {
    match error {
        OpenError::Empty(_) => "A copy or restore that did not finish, on a full disk for example.",
        OpenError::Headless(_) => "The database was deleted or moved without its companions.",
        OpenError::Foreign { .. } => {
            "store.embedded.path names the folder of something else, or another file was restored."
        }
        OpenError::Newer { .. } => "A newer version of this program has run here.",
        OpenError::Folder { .. } | OpenError::InUse(_) | OpenError::WrongKey | OpenError::Store(_) => {
            "This user may not read it, or the disk fails."
        }
    }
}
