//! `pantau waiting`: the reports that were acknowledged while the database was away and are not in the journal.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::Defaults;
use crate::api::words_of;
use crate::city::City;
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::journal::{
    CodeTold, FolderMode, HandIn, HeldReport, PostgisStandby, Spool, Standby, WaitingRoom,
};
use crate::model::IdKey;

/// Show reports that were acknowledged and are not in the journal yet
///
/// While the database is away reports are kept in the server's data folder, and acknowledged. They go into
/// the journal by themselves once it is back. One that does not fit the city pack any more, say because its
/// category is gone, is set aside: it is kept whole, and tried again at each start of the server. So mend the
/// city pack and start the server again; or discard the report.
///
/// Runs beside the servers, on the machine of each that took reports. Ends with 0 also where nothing waits.
///
/// Try it:  pantau waiting --store postgres://pantau@127.0.0.1/pantau --data /var/lib/pantau
#[derive(Debug, clap::Args)]
pub struct WaitingArgs {
    /// The database that the reports wait for
    #[arg(long, value_name = "postgres://…")]
    store: Option<String>,
    /// The data folder of the server on this machine [default: var]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The city pack [default: geodata/ternate]
    #[arg(long, value_name = "DIR")]
    city: Option<PathBuf>,
    /// Also show what was sent, with name and phone
    #[arg(long)]
    show: bool,
    /// Erase the report with this code for good; its reporter is told that it was rejected
    #[arg(long, value_name = "CODE")]
    discard: Option<String>,
}

/// Where a report lies, in words.
type Room = (String, Arc<dyn WaitingRoom>);

/// # Errors
/// In words: what cannot be opened, or that there is no such code.
pub fn run(args: &WaitingArgs, defaults: &Defaults) -> anyhow::Result<()> {
    let city = Arc::new(City::load(args.city.as_ref().unwrap_or(&defaults.city))?);
    let store = args.store.clone().or(defaults.store.clone());
    let url = config::store(&store.context("name the database that reports wait for with --store")?)?;
    let standby = PostgisStandby::open(&url, city.clone(), FolderMode::Live)?;
    let ids = IdKey::new(standby.secret(), &city.code_prefix);
    let hand_in = standby.hand_in();
    let folder = args.data.clone().unwrap_or_else(|| defaults.data.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut rooms: Vec<Room> = Vec::new();
    if let Some(spool) = Spool::beside(&folder, clock)? {
        rooms.push((folder.display().to_string(), Arc::new(spool)));
    }
    rooms.push((url.to_string(), hand_in.clone()));
    match &args.discard {
        Some(code) => discard(&rooms, &*hand_in, &ids, code),
        None => list(&rooms, &ids, args.show),
    }
}

fn list(rooms: &[Room], ids: &IdKey, show: bool) -> anyhow::Result<()> {
    let (mut waiting, mut set_aside) = (0, 0);
    for (name, room) in rooms {
        for HeldReport { no, received_at, why, body } in room.held()? {
            *(if why.is_some() { &mut set_aside } else { &mut waiting }) += 1;
            let why = why.map_or_else(|| "waits".to_owned(), |why| format!("set aside: {why}"));
            println!("{}  {received_at}  {name}  {why}", ids.waiting_code(no));
            if show {
                println!(
                    "  {}",
                    words_of(&body).map_or("what was sent is cut".into(), String::from_utf8_lossy)
                );
            }
        }
    }
    println!("{waiting} report(s) wait, {set_aside} are set aside");
    Ok(())
}

fn discard(rooms: &[Room], hand_in: &dyn HandIn, ids: &IdKey, code: &str) -> anyhow::Result<()> {
    let no = ids.waiting_of_code(code).with_context(|| {
        format!("{code:?} is no code of a report that waits; look for a slip of the pen")
    })?;
    let why = "discarded";
    for (name, room) in rooms {
        let Some(held) = room.held()?.into_iter().find(|held| held.no == no) else { continue };
        let answer = Err(why.to_owned());
        hand_in.note_codes(&[CodeTold { no, received_at: held.received_at, answer }])?;
        if room.discard(no, why)? {
            println!(
                "The report {code} is erased from {name}. Whoever asks by its code is told that it was rejected."
            );
            return Ok(());
        }
    }
    bail!("no report with the code {code} waits here; pantau waiting lists those that do")
}
