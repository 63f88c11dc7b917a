// Package kubelet is the node agent: it joins a cluster, tells it what the machine has, takes pods
// over its control stream, runs them, and reports how they fare.
//
// Words: the agent is the one goroutine that owns what the node knows of its pods; everything that
// takes time (steps, starts, kills, cleaning up) runs beside it and comes back as a message. A link
// is one control stream to one server. After each message the agent asks reconcile.Diff what is to
// be done, so a new pod, a reconnect and a restart of the kubelet take the same path.
//
// What must not be lost is not in memory: the pods' directories hold it (packages checkpoint and
// shim). A kubelet that is killed at any point finds its pods again; a server that is away stops
// nothing that runs.
//
// The agent chooses nothing about placement, and opens no file on a user's path: that is done with
// the user's own rights.
//
// Where to look: a pod's state changes in agent.go (what happened) and act.go (what is done about
// it); report.go turns an exit record into what the store hears.
package kubelet
