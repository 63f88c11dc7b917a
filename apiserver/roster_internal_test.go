package apiserver

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

func TestRosterForgetsWhoIsSilent(t *testing.T) {
	t.Parallel()
	var r roster
	require.False(t, r.silent("a", 0), "nothing is known of it yet")
	require.Empty(t, r.look([]store.Server{{ID: "a", Beat: 5}, {ID: "b", Beat: 9}}, 1))
	require.Empty(t, r.look([]store.Server{{ID: "a", Beat: 6}, {ID: "b", Beat: 9}}, 1+serverSilentAfter))
	require.False(t, r.silent("a", 1+serverSilentAfter))
	require.True(t, r.silent("b", 1+serverSilentAfter))
	require.Equal(t, []string{"b"}, r.look([]store.Server{{ID: "a", Beat: 7}, {ID: "b", Beat: 9}}, 1+serverDeadAfter))
	require.Empty(t, r.look([]store.Server{{ID: "a", Beat: 7}, {ID: "b", Beat: 10}}, 2+serverDeadAfter), "it is back")
}

func TestAnnouncedURLCanBeDialledFromElsewhere(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, "https://"+name+":7443", announcedURL(&net.TCPAddr{IP: net.IPv6unspecified, Port: 7443}))
	require.Equal(t, "https://10.0.0.1:7443", announcedURL(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 7443}))
}
