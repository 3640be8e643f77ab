/* Text that grows, between a head that opens a loop and a foot that closes it. See script.h. Errors
 * stick: after the first one nothing is added, and script_finish() returns it without writing a
 * file, so that no script exists that is only a part. */
#include "core/report/script.h"

#include "core/base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const script_colours[SCRIPT_COLOURS] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                    "#E69F00", "#56B4E9", "#000000"};

enum { PUT_MAX = 4096 };

/* A piece that does not fit into PUT_MAX bytes is an error and not cut off: a script that ends in
 * the middle of a line would draw something else. */
void script_put(struct script *s, const char *fmt, ...)
{
    char text[PUT_MAX];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (s->failed == ERR_OK) {
        s->failed = n >= 0 && n < PUT_MAX ? buf_append(&s->text, text, (size_t)n) : ERR_FAILED;
    }
}

/* In single quotes, where gnuplot wants a quote doubled. At worst every character is one: 2 n, the
 * two quotes around it, and the NUL. A line break would end the command, so it becomes a blank. */
const char *script_quoted(struct script *s, const char *text)
{
    char *out = ARENA_NEW(s->arena, 2 * strlen(text) + 3, char);
    if (out == NULL) {
        s->failed = ERR_MEMORY;
        return "''";
    }
    char *o = out;
    *o++ = '\'';
    for (const char *c = text; *c != '\0'; c++) {
        *o++ = *c == '\n' ? ' ' : *c;
        if (*c == '\'') {
            *o++ = '\'';
        }
    }
    *o++ = '\'';
    *o = '\0';
    return out;
}

/* Opens the loop that draws everything twice: as SVG and, with twice the pixels, as PNG. */
void script_begin(struct script *s, struct arena *arena, const char *dir, const char *name,
                  int width, int height)
{
    *s = (struct script){.dir = dir, .name = name, .arena = arena};
    buf_init(&s->text);
    script_put(s, "# gnuplot %s.gp   writes %s.svg and %s.png\n", name, name, name);
    script_put(s, "set datafile separator comma\n"
                  "set datafile columnheaders\n"
                  "set datafile missing 'nan'\n"
                  "set encoding utf8\n"
                  "set border 3 lw 1 lc rgb '#404040'\n"
                  "set tics nomirror out\n"
                  "set grid ytics lc rgb '#d8d8d8' lw 1 dt 1\n"
                  "do for [format in 'svg png'] {\n"
                  "if (format eq 'svg') {\n");
    script_put(s, "    set terminal svg size %d,%d font 'Arial,13' background 'white'\n", width,
               height);
    script_put(
        s,
        "} else {\n"
        "    set terminal pngcairo size %d,%d font 'Arial,13' fontscale 2 linewidth 2 pointscale "
        "2\n}\n",
        2 * width, 2 * height);
    script_put(s, "set output '%s.'.format\n", name);
}

enum err script_finish(struct script *s)
{
    const char *path = arena_printf(s->arena, "%s/%s.gp", s->dir, s->name);
    script_put(s, "unset output\n}\n");
    enum err e = path == NULL ? ERR_MEMORY : s->failed;
    if (e == ERR_OK) {
        e = file_write(path, s->text.data, s->text.len);
    }
    buf_release(&s->text);
    return e;
}
