package cli

// examples are shown in the help of the commands, by their names. A test reads each of them as cox would.
var examples = map[string]string{ //nolint:gosec,gochecknoglobals // a table without credentials
	"submit": `  cox submit job.sh                                a script with an #SBATCH or #COX header
  cox submit --array=1-100%8 --mem=4G -t 2:00:00 job.sh
  cox submit --dependency=afterok:42 collect.sh 42
  cox submit --wrap 'sleep 60'`,
	"run": `  cox run -- hostname
  cox run -c 4 --mem=8G -t 30 -- make -j 4 test`,
	"wait": `  cox wait 42 43
  cox wait --timeout=10m 42_7`,
	"cancel": `  cox cancel 42
  cox cancel 42_[1-4,7]
  cox cancel --mine`,
	"hold":    `  cox hold 42`,
	"release": `  cox release 42`,
	"requeue": `  cox requeue 42_7`,
	"update": `  cox update --time=2:00:00 42
  cox update --mem=8G 42`,
	"signal": `  cox signal USR1 42`,
	"queue": `  cox queue
  cox queue --all --state=pending
  cox queue -o json 42`,
	"history": `  cox history
  cox history 42                                   every attempt of every task`,
	"why": `  cox why 42
  cox why 42_7`,
	"logs": `  cox logs 42_7
  cox logs -f 42`,
	"nodes": `  cox nodes
  cox nodes -o wide`,
	"up": `  cox up
  cox up --detach --cpus=8 --memory=32G`,
	"down":    `  cox down --cancel`,
	"server":  `  cox server --database='host=db dbname=cox user=cox' --listen=0.0.0.0:7443`,
	"kubelet": `  cox kubelet --server=https://head:7443 --join-file=/root/join-token`,
	"apply":   `  cox apply -f accounts.yaml`,
	"version": `  cox version --remote`,

	"job": `  cox job 42
  cox job 42_7 -o yaml`,
	"pod":       `  cox pod list 42 --ended`,
	"node":      `  cox node drain n7 --reason='new disk'`,
	"account":   `  cox account list`,
	"user":      `  cox user list`,
	"qos":       `  cox qos list -o yaml`,
	"partition": `  cox partition list`,
	"event":     `  cox event list 42`,
	"token": `  cox token create --join                          for a node
  cox token create --user=ada                      for ada's own computer`,
	"context": `  cox context show
  cox context use lab`,
}
