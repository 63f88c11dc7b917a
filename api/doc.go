// Package api holds the nouns of Coxswain: the types that travel on the wire, that the scheduler
// reasons about and that the store keeps are the same types. It is a leaf: it imports the standard
// library and uuid only, and does no I/O.
//
// Words. A job is batch work that ends; its roles carry pod templates; an array job has many
// instances, each known by a dense ordinal (0, 1, 2, …) inside the system and by its array index
// to people. A pod is one placed attempt of one instance on one node. A node is a machine with a
// kubelet. A plan is what one scheduling cycle decided; a commit is what the leader wants stored.
//
// Quantities are integers whose unit is in the name or the type: CPUMillis, MemoryBytes, …Seconds.
// Times are UTC. Spec is what the user wants, status what the system knows; generation counts the
// user's changes.
package api
