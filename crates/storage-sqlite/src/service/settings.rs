use async_trait::async_trait;
use diesel::prelude::*;
use storage::{SecretText, SettingStore, StorageError, Write};
use storage_sql::rows::setting;
use storage_sql::schema::settings;
use storage_sql::{Fault, Sealer};

use crate::database::SqliteDatabase;

#[async_trait]
impl SettingStore for SqliteDatabase {
    async fn setting(&self, name: &str) -> Result<Option<SecretText>, StorageError> {
        let (sealer, name) = (self.sealer(), name.to_owned());
        Ok(self.read(move |db| load(db, &sealer, &name)).await?)
    }

    fn init_setting(&self, name: String, value: SecretText) -> Write<SecretText> {
        let sealer = self.sealer();
        self.write(move |tx| match load(&mut tx.db, &sealer, &name)? {
            Some(present) => Ok(present),
            None => put(&mut tx.db, &sealer, &name, &value).map(|()| value),
        })
    }

    fn put_setting(&self, name: String, value: SecretText) -> Write<()> {
        let sealer = self.sealer();
        self.write(move |tx| put(&mut tx.db, &sealer, &name, &value))
    }
}

fn load(db: &mut SqliteConnection, sealer: &Sealer, name: &str) -> Result<Option<SecretText>, Fault> {
    let sealed = settings::table.find(name).select(settings::value).first::<Vec<u8>>(db).optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    setting::open(name, &sealed, sealer).map(Some)
}

fn put(db: &mut SqliteConnection, sealer: &Sealer, name: &str, value: &SecretText) -> Result<(), Fault> {
    let sealed = setting::seal(name, value, sealer)?;
    let row = (settings::name.eq(name), settings::value.eq(sealed));
    diesel::replace_into(settings::table).values(row).execute(db)?;
    Ok(())
}
