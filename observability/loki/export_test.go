package loki

// Hostile are the inputs that the tests try to leave their place with.
var Hostile = hostile
