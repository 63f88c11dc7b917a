// Package header reads what people say about a job in the words of sbatch: the #SBATCH and #COX
// lines of a script, SBATCH_* variables and the command line. One table holds every option of sbatch
// and those of Coxswain itself; the readers, the errors, --ignore-unsupported and the page
// docs/from-slurm.md all come from it.
//
// Words. An option is a row of the table. A setting is one use of it, with its value and its source
// (a line, a variable, the command line). Parse turns settings into Options; Build turns Options and
// the submitter's surroundings into the request that is sent.
//
// The package is pure: it opens no file and reads no clock or environment of its own. It never drops
// a setting silently: each is in the Options, or an error with its name and line, or (where the user
// named it in --ignore-unsupported) a note.
package header
