package platform

// EdgeKind is how one service depends on another.
type EdgeKind string

// The kinds of an edge. The last two have no direction: what is shared may fail for both.
const (
	EdgeCalls      EdgeKind = "calls" // sends requests to it
	EdgeUses       EdgeKind = "uses"  // depends on it in another way: a queue, a database, a library
	EdgeSharesHost EdgeKind = "shares_host"
	EdgeSharesDisk EdgeKind = "shares_disk"
)

// Edge says that one service of an environment depends on another. A failure travels against its direction: from the
// one that is called to the one that waits.
type Edge struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	Kind EdgeKind `json:"kind"`
}
