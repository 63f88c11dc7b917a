package apiserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/go-chi/chi/v5"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/authz"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/apiserver/watch"
)

// attach leads the standard streams of an attached pod; it waits until there is one.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) error {
	job, index, err := s.sessionTarget(r, "the terminal of")
	if err != nil {
		return err
	}
	if !job.Spec.Roles[0].Template.Main().Attach {
		return api.Errorf(api.CodeInvalid,
			"job %d writes to files, so there is nothing to attach to; try cox logs %d", job.ID, job.ID)
	}
	request := api.SessionRequest{Kind: api.SessionAttach}
	return s.session(w, r, sessionWish{job: job, index: index, request: request, wait: true})
}

// logs reads an output file with its owner's rights.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) error {
	job, index, err := s.sessionTarget(r, "the output of")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	request := api.SessionRequest{Kind: api.SessionLogs, Stream: q.Get("stream"), Follow: q.Get("follow") == "true"}
	if request.Stream == "" {
		request.Stream = "stdout"
	}
	if request.Stream != "stdout" && request.Stream != "stderr" {
		return api.Errorf(api.CodeInvalid, "stream must be stdout or stderr, not %q", request.Stream)
	}
	if text := q.Get("offset"); text != "" {
		if request.Offset, err = strconv.ParseInt(text, 10, 64); err != nil || request.Offset < 0 {
			return api.Errorf(api.CodeInvalid, "offset must be a number of bytes, not %q", text)
		}
	}
	return s.session(w, r, sessionWish{job: job, index: index, request: request, wait: request.Follow})
}

// sessionTarget finds whose pod a session is to reach, and checks that it is the caller's.
func (s *Server) sessionTarget(r *http.Request, what string) (api.Job, int64, error) {
	job, index, err := s.jobAndIndex(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return job, index, err
	}
	if index, err = parseIndex(r.URL.Query().Get("index"), index); err != nil {
		return job, index, err
	}
	if err := authz.MayRead(authn.CallerOf(r.Context()), job.Spec.Owner.User,
		what+" job "+job.ID.String()); err != nil {
		return job, index, err
	}
	if job.Spec.Array != "" && index == api.NoIndex {
		array, err := api.ParseArray(job.Spec.Array)
		if err != nil {
			return job, index, err
		}
		return job, index, api.Errorf(api.CodeInvalid,
			"job %d is an array; name one of its tasks, such as %d_%d", job.ID, job.ID, array.Min())
	}
	return job, index, indexOf(job, index)
}

// sessionWish is what a user asks for.
type sessionWish struct {
	job     api.Job
	index   int64
	request api.SessionRequest
	// wait says whether to wait for a pod that is not there yet.
	wait bool
}

// session accepts the user's socket first: waiting for a pod may take long. What fails from then on
// is told in a frame.
func (s *Server) session(w http.ResponseWriter, r *http.Request, wish sessionWish) error {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil
	}
	defer conn.CloseNow() //nolint:errcheck // it ends either way
	conn.SetReadLimit(frameMax)
	ctx, end := context.WithCancelCause(s.life)
	defer end(nil)
	user := &userSocket{conn: conn, frames: make(chan []byte, framesMax)}
	go user.readFrames(ctx, end)
	go user.pings(ctx, s, end)
	err = s.serveSession(ctx, user, wish)
	if err == nil {
		conn.Close(websocket.StatusNormalClosure, "") //nolint:errcheck // it ends either way
		return nil
	}
	s.log.DebugContext(r.Context(), "session ended", slog.String("job", wish.job.ID.String()), slog.Any("error", err))
	if !errors.Is(err, errUserGone) {
		s.failSession(r.Context(), user, err)
	}
	return nil
}

// failSession tells the user why; that the session's context may be over doesn't matter.
func (s *Server) failSession(ctx context.Context, user *userSocket, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	p := problemOf(err)
	if errors.Is(err, errKubeletGone) {
		p = problemOf(api.Errorf(api.CodeUnavailable, "the connection to the node broke off; try again"))
	}
	frame := api.SessionFrame{Kind: "error", Error: &api.Error{Code: p.Code, Message: p.Detail, Fields: p.Fields}}
	user.send(ctx, frame)                                          //nolint:errcheck // it ends either way
	user.conn.Close(websocket.StatusInternalError, string(p.Code)) //nolint:errcheck // it ends either way
}

func (s *Server) serveSession(ctx context.Context, user *userSocket, wish sessionWish) error {
	pod, ended, err := s.awaitPod(ctx, wish)
	if err != nil {
		return err
	}
	if ended != nil {
		return user.send(ctx, *ended)
	}
	wish.request.Pod, wish.request.Assignment = pod.Key, &pod.PodAssignment
	if pod.Released || pod.State.Ended() {
		template, err := s.store.Template(ctx, pod.Template)
		if err != nil {
			return err
		}
		wish.request.Source = &template
	}
	kubelet, err := s.sessions.open(ctx, wish.request, pod)
	if err != nil {
		return err
	}
	defer close(kubelet.done)
	return user.pump(ctx, kubelet.conn)
}

// awaitPod finds the last attempt of the instance; with wait it waits until there is one, or until
// the instance has ended without: then it returns the last frame.
func (s *Server) awaitPod(ctx context.Context, wish sessionWish) (api.NodeAssignment, *api.SessionFrame, error) {
	sub, err := s.hub.Subscribe(ctx)
	if err != nil {
		return api.NodeAssignment{}, nil, err
	}
	defer sub.Close()
	for {
		pod, found, err := s.lastPod(ctx, wish.job.ID, wish.index)
		if err != nil || found {
			return pod, nil, err
		}
		job, err := s.store.GetJob(ctx, wish.job.ID)
		if err != nil {
			return pod, nil, err
		}
		if job.Status.State.Ended() {
			return pod, endFrame(job), nil
		}
		if gone, err := neverStarts(job, wish.index); err != nil {
			return pod, nil, err
		} else if gone {
			// The job was read after its pods: look again, for it may have been placed between.
			if pod, found, err = s.lastPod(ctx, wish.job.ID, wish.index); err != nil || found {
				return pod, nil, err
			}
			return pod, cancelledFrame(), nil
		}
		if !wish.wait {
			return pod, nil, api.Errorf(api.CodeNotFound, "job %s has not started, so it has no output yet",
				api.Instance{Owner: job.ID, Index: wish.index})
		}
		if err := awaitTouched(ctx, sub, job.ID); err != nil {
			return pod, nil, err
		}
	}
}

// neverStarts says of an instance without a pod that it does not wait for one either: it was cancelled.
func neverStarts(job api.Job, index int64) (bool, error) {
	array, err := api.ParseArray(job.Spec.Array)
	if err != nil {
		return false, err
	}
	ordinal, known := array.Ordinal(index)
	return known && !job.Status.Waiting.Has(ordinal), nil
}

// cancelledFrame is the last word of an array task that was cancelled while it waited.
func cancelledFrame() *api.SessionFrame {
	exit := &api.PodExit{Reason: api.ReasonCancelled, Message: "cancelled before it started"}
	return &api.SessionFrame{Kind: "exit", Exit: exit, State: api.PodCancelled}
}

// endFrame is the last word of an instance that never ran.
func endFrame(job api.Job) *api.SessionFrame {
	exit := &api.PodExit{Code: job.Status.ExitCode, Reason: job.Status.Reason, Message: job.Status.Message}
	return &api.SessionFrame{Kind: "exit", Exit: exit, State: api.PodCancelled}
}

// awaitTouched returns at the next page that touches the job; a lost subscription counts as one that
// may have.
func awaitTouched(ctx context.Context, sub *watch.Subscription, id api.JobID) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case page, ok := <-sub.C:
			if !ok {
				return api.Errorf(api.CodeUnavailable, "the server lost track of the job; try again")
			}
			if contains(page.Touched.Jobs, id) || podOfJob(page.Touched.Pods, id) {
				return nil
			}
		}
	}
}

func podOfJob(keys []api.PodKey, id api.JobID) bool {
	for _, k := range keys {
		if k.Owner == id {
			return true
		}
	}
	return false
}

// attemptsMax bounds the attempts of one instance that are looked through for the last.
const attemptsMax = 1000

func (s *Server) lastPod(ctx context.Context, id api.JobID, index int64) (api.NodeAssignment, bool, error) {
	pods, _, err := s.store.ListPods(ctx, store.PodFilter{Owner: id, Index: &index, Limit: attemptsMax})
	if err != nil || len(pods) == 0 {
		return api.NodeAssignment{}, false, err
	}
	last := pods[0]
	for _, p := range pods {
		if p.Key.Attempt > last.Key.Attempt {
			last = p
		}
	}
	found, err := s.store.Assignments(ctx, []api.PodKey{last.Key})
	if err != nil || len(found) == 0 {
		return api.NodeAssignment{}, false, err
	}
	return found[0], true, nil
}
