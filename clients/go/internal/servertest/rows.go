package servertest

import "strings"

// The escapes of COPY's text format that PostgreSQL writes.
// https://www.postgresql.org/docs/current/sql-copy.html
var unescape = strings.NewReplacer(
	`\\`, `\`, `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\v")

// rows reads COPY's text format, in which a line is a row and a tab ends a column.
func rows(copied string) [][]string {
	var rows [][]string
	for line := range strings.Lines(copied) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i, column := range columns {
			if column == `\N` {
				columns[i] = Null
			} else {
				columns[i] = unescape.Replace(column)
			}
		}
		rows = append(rows, columns)
	}
	return rows
}
