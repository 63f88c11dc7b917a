// Package output prints what commands found out: tables for people, JSON and YAML for programs.
//
// In a table times are relative and sizes short, columns are aligned, colours are used on a
// terminal only (and not with NO_COLOR), and a row never gets wider than the terminal. JSON and
// YAML show the API's own objects, unshortened, with times in RFC 3339.
//
// It decides nothing about what is shown: commands give it values and rows.
package output
