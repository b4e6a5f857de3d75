package platform

// Page asks for one part of a list. Cursor is opaque and belongs to one list of one project.
type Page struct {
	Cursor string
	Limit  int // 1 to MaxPageLimit; 0 means DefaultPageLimit
}

// Limits of a page.
const (
	DefaultPageLimit = 50
	MaxPageLimit     = 500
)
