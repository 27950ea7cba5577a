//! A member, as others see it.

use std::{net::SocketAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::rumour::Tags;

/// Whether a member takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Alive,
    /// Did not answer for so long that it counts as dead.
    Failed,
    /// Went on purpose.
    Left,
}

/// A member as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub node: u128,
    /// Its address, as long as its tags have not arrived.
    pub name: String,
    pub address: SocketAddr,
    pub status: Status,
    /// Somebody waits in vain for its answers. It is alive all the same until that has lasted.
    pub suspected: bool,
    pub tags: Arc<Tags>,
}

impl Member {
    pub fn is_alive(&self) -> bool {
        self.status == Status::Alive
    }
}

/// Something changed about a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its tags may follow, with [`Event::Updated`].
    Joined(Member),
    /// Somebody waits in vain for its answers: time to look after it by other means. [`Event::Refuted`] or
    /// [`Event::Failed`] follows.
    Suspected(Member),
    /// It answers again.
    Refuted(Member),
    Failed(Member),
    Left(Member),
    /// Its tags or its address changed.
    Updated(Member),
    /// It was failed or left for so long that it is forgotten, or an operator wanted it forgotten.
    Forgotten(Member),
}

impl Event {
    pub fn member(&self) -> &Member {
        match self {
            Self::Joined(member)
            | Self::Suspected(member)
            | Self::Refuted(member)
            | Self::Failed(member)
            | Self::Left(member)
            | Self::Updated(member)
            | Self::Forgotten(member) => member,
        }
    }
}
