//! The parameters that a store was seeded with, in its table `meta`.

use ch02_database::StoreError;
use ch02_database::seed::SeedParameters;
use sqlx::{Row, SqliteConnection};

use super::database::SqliteDatabase;

/// Reads the parameters. `None` if the seeding of the store never ended.
pub(super) async fn read(main: &SqliteDatabase) -> Result<Option<SeedParameters>, StoreError> {
    let rows = sqlx::query("SELECT key, value FROM meta")
        .fetch_all(main.readers())
        .await?;
    let rows = rows
        .iter()
        .map(|row| (row.get("key"), row.get("value")))
        .collect();
    SeedParameters::from_rows(&rows)
}

/// Writes the parameters.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    parameters: SeedParameters,
) -> Result<(), sqlx::Error> {
    for (key, value) in parameters.to_rows() {
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?)")
            .bind(key)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
