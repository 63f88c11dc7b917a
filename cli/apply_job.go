package cli

import (
	"context"
	"fmt"
	"regexp"

	"github.com/coxswain-hpc/coxswain/api"
)

// jobPayload is a job's payload with its script as text.
type jobPayload struct {
	Script           string   `yaml:"script"`
	Environment      []string `yaml:"environment"`
	LoginEnvironment bool     `yaml:"login_environment"`
}

// headerLine is one that submit would read as options.
var headerLine = regexp.MustCompile(`(?m)^#(SBATCH|COX)\b`)

// submission is the document of a job as a request: what submit takes over from its surroundings it has
// too, except for the environment, so that a file means the same whoever applies it.
func (a *app) submission(d document) (func(context.Context) error, error) {
	if d.Generation != 0 {
		return nil, api.Errorf(api.CodeInvalid, "line %d: a job that is applied is new; it has no generation",
			d.line("generation"))
	}
	request := api.JobSubmit{RequestID: d.RequestID}
	if err := decodeSpec(d, &request.Spec); err != nil {
		return nil, err
	}
	if name := request.Spec.Name; name != "" && name != d.Name {
		return nil, api.Errorf(api.CodeInvalid, "line %d, spec.name: the job is named %s above",
			d.line("spec.name"), d.Name)
	}
	request.Spec.Name = d.Name
	if request.RequestID == "" {
		request.RequestID = requestID()
	}
	if d.Payload != nil {
		request.Payload = api.Payload{
			Script: []byte(d.Payload.Script), Environment: d.Payload.Environment,
			LoginEnvironment: d.Payload.LoginEnvironment,
		}
	}
	if len(request.Payload.Environment) == 0 {
		request.Payload.LoginEnvironment = true
	}
	if err := a.surround(d, &request.Spec); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return a.submitApplied(ctx, request) }, nil
}

// surround fills in what a job takes over from the process that submits it.
func (a *app) surround(d document, spec *api.JobSpec) error {
	from, err := a.surroundings()
	if err != nil {
		return err
	}
	if spec.SubmitDir == "" {
		spec.SubmitDir = from.Cwd
	}
	if spec.SubmitHost == "" {
		spec.SubmitHost = from.Host
	}
	for i := range spec.Roles {
		for k := range spec.Roles[i].Template.Containers {
			c := &spec.Roles[i].Template.Containers[k]
			if d.node(fmt.Sprintf("spec.roles[%d].template.containers[%d].umask", i, k)) == nil {
				c.Umask = from.Umask
			}
			if c.SoftLimits == nil {
				c.SoftLimits = from.SoftLimits
			}
		}
	}
	return nil
}

func (a *app) submitApplied(ctx context.Context, request api.JobSubmit) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	job, err := cl.SubmitJob(ctx, request)
	if err != nil {
		return err
	}
	for _, note := range job.Spec.Notes {
		a.note(note)
	}
	if headerLine.Match(request.Payload.Script) {
		a.note("the #SBATCH and #COX lines of the script are comments: the spec says what the job wants")
	}
	return a.sayNumber(job.ID, false)
}
