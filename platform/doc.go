// Package platform is the vocabulary of Fairlead: every noun of the product is a type here, one file each.
//
// It owns names, states, identifiers, limits and the pure rules that belong to a single noun (is this phase
// terminal, is this name a DNS label, what is this plan's hash). It must not know how anything is stored, run,
// sent or shown: it imports the standard library only, so that every other package may depend on it.
package platform
