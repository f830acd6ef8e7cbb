//! The flags of `serve` for nodes that work together.

use crate::edge::NodeFlags;

/// Nodes that work together: one origin, which has the store, and edges, which show the same without one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Edges")]
pub struct NodeArgs {
    /// Of an origin: publish entries to this NATS server (JetStream), nats://[user:password@]host:4222
    #[arg(long, env = "PANTAU_NATS", value_name = "URL")]
    nats: Option<String>,
    /// Of an edge: follow the entries at this NATS server; what it lost comes from the origin
    #[arg(long, env = "PANTAU_FOLLOW", value_name = "URL")]
    follow: Option<String>,
    /// Be an edge of the node at this address: no store, the same live map; reports go there
    #[arg(long, env = "PANTAU_ORIGIN", value_name = "URL")]
    origin: Option<String>,
    /// The secret that origin and edges share; better in the variable than in the flag, which others on the
    /// machine can read
    #[arg(long, env = "PANTAU_EDGE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    edge_token: Option<String>,
}

impl From<NodeArgs> for NodeFlags {
    fn from(args: NodeArgs) -> NodeFlags {
        let NodeArgs { nats, follow, origin, edge_token } = args;
        NodeFlags { nats, follow, origin, edge_token }
    }
}
