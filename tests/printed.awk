# The commands that texts print, one a line: fenced blocks of sh and inline code of Markdown, lines of
# comments that are indented (slurm, configs, mk), and code in backquotes of help texts (-v help=1).
# A line that ends with a backslash, or inside quotes, goes on in the next; what follows " #" is a
# comment. In a comment the words behind two spaces are an explanation.
function start(text) {
    return text ~ /^([A-Z_]+=[^ ]+ )*(cd [^ ]+ && )?(make|karma|build\/karma|mpi\/launch|sbatch|srun|mpirun|sh mk\/[a-z]+)( |$)/
}
function put(text) {
    sub(/ +#.*$/, "", text)
    gsub(/  +/, " ", text)
    sub(/^ /, "", text)
    sub(/ $/, "", text)
    if (start(text)) print text
}
function line(text) { # of a block
    whole = whole text
    if (whole ~ /\\$/) { sub(/ *\\$/, " ", whole); return }
    if (gsub(/'/, "'", whole) % 2) { whole = whole " "; return }
    put(whole)
    whole = ""
}
function inline(text) {
    while (match(text, /`[^`]+`/)) {
        put(substr(text, RSTART + 1, RLENGTH - 2))
        text = substr(text, RSTART + RLENGTH)
    }
}
FNR == 1 { fence = ""; whole = ""; markdown = FILENAME ~ /\.md$/ }
help { inline($0); next }
markdown && /^```/ { fence = fence != "" ? "" : substr($0, 4) == "" ? "text" : substr($0, 4); whole = ""; next }
markdown && fence == "sh" { line($0); next }
markdown && fence != "" { next }
markdown { # code may go on in the next line
    text = carried $0
    carried = ""
    if (gsub(/`/, "`", text) % 2) { carried = text " "; next }
    inline(text)
    next
}
/^#/ {
    text = $0
    sub(/^# */, "", text)
    if (whole == "") sub(/   +.*/, "", text)
    if (whole != "" || $0 ~ /^#   /) line(text); else inline($0)
    next
}
{ whole = "" }
