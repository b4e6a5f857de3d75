package patterns

import "strings"

// address reports whether a word is the address of a person, of a host with its port, of a device, or a UUID.
func address(s string, found uint8) bool {
	switch {
	case found&holdsAt != 0:
		name, host, _ := strings.Cut(s, "@")
		return name != "" && found&holdsDot != 0 && strings.IndexByte(host, '.') > 0 && strings.IndexByte(host, '(') < 0
	case found&holdsColon != 0:
		return hexGroups(s, ':') || found&holdsDot != 0 && hostPort(s)
	}
	return hostName(s)
}

// hexGroups reports whether s is three or more groups of hexadecimal digits, such as 00:1b:44:11:3a:b7.
func hexGroups(s string, mark byte) bool {
	marks, size := 0, 0
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == mark:
			marks++
			size = 0
		case hexDigit(b):
			if size++; size > 4 {
				return false
			}
		default:
			return false
		}
	}
	return marks >= 2
}

// hostPort reports whether s is a dotted name with a port. A file with the number of a line is none.
func hostPort(s string) bool {
	host, port, _ := strings.Cut(s, ":")
	port = strings.TrimRight(port, ".:")
	if port == "" || len(port) > 5 || !strings.Contains(host, ".") {
		return false
	}
	for i := 0; i < len(port); i++ {
		if !digit(port[i]) {
			return false
		}
	}
	for i := 0; i < len(host); i++ {
		if !identByte(host[i]) && host[i] != '.' && host[i] != '-' {
			return false
		}
	}
	return !sourceFile(host[strings.LastIndexByte(host, '.')+1:])
}

func sourceFile(extension string) bool {
	switch extension {
	case "go", "py", "java", "kt", "scala", "js", "jsx", "ts", "tsx", "mjs", "rs", "rb", "php", "c", "cc", "cpp", "cxx", "h", "hpp", "cs", "swift", "ex", "exs", "erl", "lua", "pl", "sh", "sql",
		"xml", "yaml", "yml", "json", "toml", "conf", "cfg", "ini", "log", "txt", "html", "css":
		return true
	}
	return false
}

// hostName reports whether a dotted name in lower case ends as names of hosts do.
func hostName(s string) bool {
	last := strings.LastIndexByte(s, '.')
	if last <= 0 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if b := s[i]; !digit(b) && (b < 'a' || b > 'z') && b != '.' && b != '-' {
			return false
		}
	}
	switch s[last+1:] {
	case "com", "net", "org", "edu", "gov", "mil", "info", "biz", "io", "local", "internal", "localdomain":
		return true
	}
	return strings.IndexByte(s[:last], '.') > 0 && country(s[last+1:])
}

// country reports whether the last part of a name is that of a country; those that are words or files are left out.
func country(s string) bool {
	switch s {
	case "de", "fr", "uk", "cn", "jp", "ru", "br", "kr", "tw", "hk", "nl", "ch", "au", "ca", "eu", "us", "es", "pt", "se", "dk", "fi", "cz", "gr", "tr", "ua", "mx", "ar", "cl", "nz", "za", "il", "sg", "th", "vn":
		return true
	}
	return false
}

// uuidEnd returns where a UUID ends, or start where none begins: some of its groups may hold letters only.
func uuidEnd(word string, start int) int {
	const length = 36 // 8-4-4-4-12
	if len(word)-start < length {
		return start
	}
	for i := range length {
		b := word[start+i]
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (b == '-') || !dash && !hexDigit(b) {
			return start
		}
	}
	return start + length
}

// hostEnd returns where a dotted name that holds letters and digits ends, such as a host's, or start where none begins.
func hostEnd(word string, start int) int {
	end, dots, digits, letter := start, 0, false, false
	for end < len(word) && (identByte(word[end]) || word[end] == '.' || word[end] == '-') {
		b := word[end]
		if b == '.' {
			dots++
		}
		digits = digits || digit(b)
		letter = letter || b != '.' && b != '-' && !digit(b)
		end++
	}
	if dots < 2 || !digits || !letter {
		return start
	}
	for word[end-1] == '.' {
		end--
	}
	return end
}
