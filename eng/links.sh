#!/usr/bin/env bash
# Checks the links between the Markdown files of this repository: each file and each heading that one names exists.
# Addresses of other sites are not asked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The names that a browser gives to the headings of a file.
anchors() {
    awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ +/, ""); print tolower($0) }' "$1" |
        sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g; s/[^[:alnum:] _-]//g; s/ /-/g'
}

broken=0
while IFS= read -r file; do
    while IFS= read -r link; do
        target=${link%%#*}
        path=$file
        [ -z "$target" ] || path=$(dirname "$file")/$target
        if [ ! -e "$path" ]; then
            echo "$file: $link: there is no such file"
            broken=1
        elif [[ $link == *#* ]] && [[ $path == *.md ]] && ! anchors "$path" | grep -qxF -- "${link#*#}"; then
            echo "$file: $link: there is no such heading"
            broken=1
        fi
    done < <(grep -oE '\]\([^) ]+\)' "$file" | sed 's/^](//; s/)$//' | grep -vE '^[a-z]+:' || true)
done < <(git ls-files --cached --others --exclude-standard '*.md')
exit "$broken"
