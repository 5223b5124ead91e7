//! `cpectl top`: what runs where and what happens, live, on a terminal.
//!
//! What is known and shown is [`state`], what keys do to it [`keys`], how it looks [`draw`],
//! [`dialogs`] and [`theme`]; all of that is pure. [`feed`] asks the daemon and follows the event
//! log, beside the loop here: a daemon that hangs or is away makes what is shown old, and that is
//! said.

mod dialogs;
mod draw;
mod feed;
mod keys;
mod orders;
mod round;
mod state;
#[cfg(test)]
mod tests;
mod theme;

use std::io::{self, IsTerminal, Stdout};
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event as Pressed};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::keys::Want;
use self::state::{State, Told};
use self::theme::Theme;
use crate::client::Client;
use crate::commands::status;
use crate::failure::Failure;
use crate::options::{Status, Top};
use crate::output::Output;

/// It is drawn again after this time though nothing has happened: ages go on.
const PAUSE: Duration = Duration::from_millis(500);
/// Keys, and updates of the feed, that may wait to be taken.
const WAITING: usize = 64;

pub(crate) async fn run(client: Client, arguments: &Top, output: &Output) -> Result<(), Failure> {
    if output.json || !output.is_terminal() || !io::stdin().is_terminal() {
        let once = Status {
            name: arguments.name.clone(),
            ..Status::default()
        };
        return status::run(client, &once, output).await;
    }
    // A deployment that is not there is no view.
    if let Some(name) = &arguments.name {
        client.status(name).await?;
    }
    let theme = Theme {
        ascii: arguments.ascii,
        colored: output.is_colored(),
    };
    let state = State::new(arguments.name.clone(), arguments.act);
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let (tell, told) = mpsc::channel(WAITING);
    let (looking, looked_at) = watch::channel(arguments.name.clone());
    let subject = feed::Subject {
        only: arguments.name.clone(),
        looked_at,
    };
    let feed = tokio::spawn(feed::run(client.bus.clone(), subject, tell));
    let mut view = View {
        place: Place::enter()?,
        state,
        theme,
        wants: JoinSet::new(),
        looking,
        client,
    };
    let ended = tokio::select! {
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
        ended = view.turn(keys_of_terminal(), told) => ended,
    };
    feed.abort();
    ended
}

/// What is pressed, and that the terminal has another size. The thread ends with the program:
/// nothing else ends a read of a terminal.
fn keys_of_terminal() -> mpsc::Receiver<Pressed> {
    let (pressed, keys) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while let Ok(key) = event::read() {
            if pressed.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}

/// The terminal with what is shown there.
struct View {
    place: Place,
    state: State,
    theme: Theme,
    /// What was asked for by keys.
    wants: JoinSet<Told>,
    /// For the feed: the deployment that is looked at.
    looking: watch::Sender<Option<String>>,
    client: Client,
}

impl View {
    async fn turn(
        &mut self,
        mut keys: mpsc::Receiver<Pressed>,
        mut told: mpsc::Receiver<Told>,
    ) -> Result<(), Failure> {
        loop {
            self.draw()?;
            tokio::select! {
                key = keys.recv() => match key {
                    Some(Pressed::Key(key)) => {
                        if self.pressed(key) {
                            return Ok(());
                        }
                    }
                    Some(_) => {}
                    // The terminal is gone.
                    None => return Ok(()),
                },
                Some(news) = told.recv() => self.state.take(news, Instant::now()),
                Some(Ok(answer)) = self.wants.join_next() => {
                    self.state.take(answer, Instant::now());
                }
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// `true`: this is the end.
    fn pressed(&mut self, key: event::KeyEvent) -> bool {
        let want = keys::press(&mut self.state, key);
        let open = self.state.open_name().map(str::to_owned);
        self.looking
            .send_if_modified(|known| std::mem::replace(known, open.clone()) != open);
        let want = match want {
            None => return false,
            Some(Want::Quit) => return true,
            Some(want) => want,
        };
        let bus = self.client.bus.clone();
        self.wants.spawn(feed::answer(bus, want));
        false
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let (state, theme) = (&self.state, self.theme);
        let now = Instant::now();
        self.place.fit()?;
        self.place
            .terminal
            .draw(|frame| draw::draw(frame, state, theme, now))?;
        Ok(())
    }
}

/// The terminal's other screen, which hears every key. When it is dropped, all is as before.
struct Place {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Place {
    fn enter() -> Result<Place, Failure> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        let mut terminal = screen(terminal::size()?)?;
        terminal.hide_cursor()?;
        Ok(Place { terminal })
    }

    /// Begins again if the terminal has another size.
    fn fit(&mut self) -> Result<(), Failure> {
        let (width, height) = terminal::size()?;
        let area = self.terminal.get_frame().area();
        if (area.width, area.height) != (width, height) {
            execute!(io::stdout(), Clear(ClearType::All))?;
            self.terminal = screen((width, height))?;
        }
        Ok(())
    }
}

/// A screen of a fixed size. One that follows the terminal by itself would ask it where its cursor
/// is, and the answer would come among the keys.
fn screen((width, height): (u16, u16)) -> Result<Terminal<CrosstermBackend<Stdout>>, Failure> {
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    let backend = CrosstermBackend::new(io::stdout());
    Ok(Terminal::with_options(
        backend,
        TerminalOptions { viewport },
    )?)
}

impl Drop for Place {
    fn drop(&mut self) {
        // A terminal that is gone needs none of it.
        let _ = self.terminal.show_cursor();
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}
