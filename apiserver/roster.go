package apiserver

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

const (
	// serverSilentAfter is how long a server's beat may stand still before it is not asked any more,
	// serverDeadAfter before its row is deleted. One that comes back announces itself again.
	serverSilentAfter = 4 * announceInterval
	serverDeadAfter   = 10 * time.Minute
	// withdrawTimeout bounds the farewell of a server.
	withdrawTimeout = 2 * time.Second
)

// roster knows which servers are alive, by seeing their beats change on this machine's own clock.
type roster struct {
	mu   sync.Mutex
	seen map[string]sighting
}

type sighting struct {
	beat int64
	at   time.Duration // boot time of the last change
}

// look takes the rows in and returns the servers that are dead.
func (r *roster) look(servers []store.Server, boot time.Duration) (dead []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make(map[string]sighting, len(servers))
	for _, s := range servers {
		last, has := r.seen[s.ID]
		if !has || last.beat != s.Beat {
			last = sighting{beat: s.Beat, at: boot}
		}
		known[s.ID] = last
		if boot-last.at >= serverDeadAfter {
			dead = append(dead, s.ID)
		}
	}
	r.seen = known
	return dead
}

// silent says whether a server has not shown itself for some time.
func (r *roster) silent(id string, boot time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, has := r.seen[id]
	return has && boot-last.at >= serverSilentAfter
}

// lookAround notes who lives, and deletes the rows of those that don't.
func (s *Server) lookAround(ctx context.Context) error {
	servers, err := s.store.ListServers(ctx)
	if err != nil {
		return err
	}
	for _, id := range s.roster.look(servers, s.clock.Boot()) {
		if id == s.options.ServerID {
			continue
		}
		s.log.InfoContext(ctx, "forget a server that has been silent for long", slog.String("server", id))
		if err := s.store.DeleteServer(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// withdraw takes this server off the list at its orderly end.
func (s *Server) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
	defer cancel()
	if err := s.store.DeleteServer(ctx, s.options.ServerID); err != nil {
		s.log.DebugContext(ctx, "withdraw the server", slog.Any("error", err))
	}
}

// announcedURL is where others reach a listener: one on all addresses by the machine's name, since
// "any address" means the asking machine itself to whoever dials it.
func announcedURL(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	name, err := os.Hostname()
	if !ok || err != nil || !tcp.IP.IsUnspecified() {
		return "https://" + address.String()
	}
	_, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return "https://" + address.String()
	}
	return "https://" + net.JoinHostPort(name, port)
}
