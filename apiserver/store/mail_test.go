package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestMailsAreKeptUntilTheyAreDropped(t *testing.T) {
	t.Parallel()
	s := open(t)
	term, job := lead(t, s), submit(t, s, spec())
	mail := api.MailNotice{
		Job: job.ID, Index: api.NoIndex, Attempt: 1, Event: api.MailEnd, State: "failed", Message: "exit code 3",
		At: noon,
	}
	unit := api.JobCommit{
		ID: job.ID, Generation: job.Generation, Status: job.Status, Mails: []api.MailNotice{mail},
	}
	_, err := s.Commit(t.Context(), term, api.Commit{Jobs: []api.JobCommit{unit}, Now: noon})
	require.NoError(t, err)

	claim := func(now time.Time) []api.MailNotice {
		mails, err := s.ClaimMails(t.Context(), now, now.Add(time.Minute), 10)
		require.NoError(t, err)
		return mails
	}
	got := claim(noon)
	require.Len(t, got, 1)
	mail.ID = got[0].ID
	require.Equal(t, []api.MailNotice{mail}, got)
	require.Empty(t, claim(noon.Add(59*time.Second)), "it is claimed")
	require.Len(t, claim(noon.Add(time.Minute)), 1, "who claimed it may have died")

	require.NoError(t, s.DeferMail(t.Context(), mail.ID, noon.Add(time.Hour), 2))
	require.Empty(t, claim(noon.Add(59*time.Minute)))
	got = claim(noon.Add(time.Hour))
	require.Len(t, got, 1)
	require.Equal(t, int32(2), got[0].Tries)

	require.NoError(t, s.DropMail(t.Context(), mail.ID))
	require.Empty(t, claim(noon.Add(24*time.Hour)))

	unit.Generation++
	result, err := s.Commit(t.Context(), term, api.Commit{Jobs: []api.JobCommit{unit}, Now: noon})
	require.NoError(t, err)
	require.Len(t, result.Refused, 1)
	require.Empty(t, claim(noon.Add(24*time.Hour)), "a refused unit sends no mail")
}
