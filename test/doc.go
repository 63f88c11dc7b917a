// Package test is the black-box suite: scripts that use the real binary (bin/cox, made by `make
// build`) against a real `cox up`, as people use it. Each script in testdata/script is one subject;
// all share a cluster and run side by side, so a script looks at its own jobs only.
//
// Beside the commands of testscript there are:
//
//	exits CODE COMMAND...      the command must exit with that code; its output is kept
//	eventually PATTERN COMMAND...  repeats the command until its output matches the pattern
//	keep NAME                  sets $NAME to the last command's standard output
package test
