//! How every part of the binary opens a storage: with what its engine warns of told on stderr.

use annals::{Options, Store};

use crate::tell;

/// Opens a storage as [`annals::connect_with`] does.
pub(crate) fn connect(address: &str, options: Options) -> annals::Result<Store> {
    let store = annals::connect_with(address, options)?;
    store.warnings().iter().for_each(|warning| tell(&format!("warning: {warning}")));
    Ok(store)
}
