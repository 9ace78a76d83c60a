use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{SecretText, SettingStore, StorageError, Write};
use storage_sql::rows::setting;
use storage_sql::schema::settings;
use storage_sql::{Fault, Sealer};

use crate::database::PostgresDatabase;

#[async_trait]
impl SettingStore for PostgresDatabase {
    async fn setting(&self, name: &str) -> Result<Option<SecretText>, StorageError> {
        let (sealer, name) = (self.sealer(), name.to_owned());
        Ok(self.read(async move |db| load(db, &sealer, &name).await).await?)
    }

    fn init_setting(&self, name: String, value: SecretText) -> Write<SecretText> {
        let sealer = self.sealer();
        self.write(async move |tx| match load(&mut tx.db, &sealer, &name).await? {
            Some(present) => Ok(present),
            None => put(&mut tx.db, &sealer, &name, &value).await.map(|()| value),
        })
    }

    fn put_setting(&self, name: String, value: SecretText) -> Write<()> {
        let sealer = self.sealer();
        self.write(async move |tx| put(&mut tx.db, &sealer, &name, &value).await)
    }
}

async fn load(db: &mut AsyncPgConnection, sealer: &Sealer, name: &str) -> Result<Option<SecretText>, Fault> {
    let sealed = settings::table.find(name).select(settings::value).first::<Vec<u8>>(db).await.optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    setting::open(name, &sealed, sealer).map(Some)
}

async fn put(
    db: &mut AsyncPgConnection,
    sealer: &Sealer,
    name: &str,
    value: &SecretText,
) -> Result<(), Fault> {
    let sealed = setting::seal(name, value, sealer)?;
    let row = (settings::name.eq(name), settings::value.eq(&sealed));
    let put = diesel::insert_into(settings::table).values(row).on_conflict(settings::name);
    put.do_update().set(settings::value.eq(&sealed)).execute(db).await?;
    Ok(())
}
