/* karma report: results of evaluations, trainings and ablations as pages, tables and figures. It
 * has no ranks: reading takes most of the time. */
#include "core/report/report.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/nearest.h"
#include "mpi/cmd/commands.h"
#include "mpi/comm/locking.h"

#include <stdio.h>
#include <string.h>

struct report_options {
    const char *out, *title, *reference, *markdown, *tables;
    int resamples;
};

static const struct option_row rows[] = {
    OPTION_STRING(struct report_options, out, "out", 'o', "DIR",
                  "where the report goes (default: the directory `report` in the first DIR)"),
    OPTION_STRING(struct report_options, title, "title", 0, "TEXT", "title of the report"),
    OPTION_STRING(struct report_options, reference, "reference", 'r', "ARM",
                  "arm that the others are compared with (default: the first khpa, else the first "
                  "rule)"),
    OPTION_INT(struct report_options, resamples, "resamples", 0, "N", 100, 100000,
               "of the bootstrap; 2000 if not given"),
    OPTION_STRING(struct report_options, markdown, "markdown", 'm', "FILE",
                  "writes tables to this file as well, as Markdown"),
    OPTION_STRING(struct report_options, tables, "tables", 't', "NAME,...",
                  "names of the tables for --markdown, as in OUT/tables (default: every table of "
                  "report.html)"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"DIR",
     "directory of an ablation, of an evaluation or of a training, or one with such directories "
     "below it",
     1, 1000},
    OPERAND_END,
};
static const struct command_line line = {
    "karma report",
    "Makes one report of all results in and below the directories: OUT/report.html, a page without "
    "scripts that loads nothing, OUT/timings.html with times and hosts, every table as CSV and "
    "LaTeX in OUT/tables, every figure as SVG in OUT/figures. The same results give the same "
    "bytes. "
    "What cannot be used is left out, and the report says why and what to do.",
    rows, operand_rows, sizeof(struct report_options)};

/* A reference that nobody has would be replaced by another one without a word. */
static enum err check_reference(const struct results *r, const char *reference)
{
    struct nearest near = nearest_to(reference != NULL ? reference : "");
    for (int i = 0; reference != NULL && i < r->n_cells; i++) {
        if (strcmp(r->cells[i].name, reference) == 0) {
            return ERR_OK;
        }
        nearest_offer(&near, r->cells[i].name);
    }
    if (reference == NULL) {
        return ERR_OK;
    }
    const char *word = nearest_word(&near);
    log_error("--reference %s: no evaluation has an arm of that name%s%s%s", reference,
              word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
              word != NULL ? "'?" : "");
    return ERR_USAGE;
}

/* "results,claims" becomes two names. */
static enum err split_tables(struct report_cfg *cfg, const char *tables, struct arena *arena)
{
    if (tables == NULL) {
        return ERR_OK;
    }
    if (cfg->markdown == NULL) {
        log_error("--tables chooses the tables of a file of Markdown; name it with --markdown");
        return ERR_USAGE;
    }
    char *text = arena_strdup(arena, tables);
    const char **names = ARENA_NEW(arena, strlen(tables) + 1, const char *);
    TRY(arena_error(arena));
    for (char *rest = text, *name; (name = strsep(&rest, ",")) != NULL;) {
        if (name[0] != '\0') {
            names[cfg->n_tables++] = name;
        }
    }
    if (cfg->n_tables == 0) {
        log_error("--tables '%s' names no table; leave it out to get all of them", tables);
        return ERR_USAGE;
    }
    cfg->tables = names;
    return ERR_OK;
}

static enum err make(const struct call *c, const char *out)
{
    const struct report_options *o = c->options;
    struct report_cfg cfg = {
        .title = o->title,
        .view = {.resamples = o->resamples, .confidence = 0.95, .reference = o->reference},
        .effect_min = 0.02,
        .markdown = o->markdown};
    struct results r;
    TRY(split_tables(&cfg, o->tables, c->arena));
    TRY(results_read(&r, c->arena, c->operands, c->n_operands, out));
    TRY(check_reference(&r, o->reference));
    TRY(report_write(&r, &cfg, out, c->arena));
    printf("%s/report.html\n%s/timings.html\n", out, out);
    if (o->markdown != NULL) {
        printf("%s\n", o->markdown);
    }
    if (r.n_warned > 0) {
        log_warn("%d result%s left out; the end of the report says which and what to do",
                 r.n_warned, r.n_warned == 1 ? " was" : "s were");
    }
    return ERR_OK;
}

/* The lock is a guest's: an ablation that is still under way may be reported. */
static enum err run(const struct call *c)
{
    const struct report_options *o = c->options;
    struct lock lock = {.fd = -1};
    const char *out = o->out != NULL ? o->out : file_join(c->arena, c->operands[0], "report");
    TRY(arena_error(c->arena));
    for (int i = 0; i < c->n_operands; i++) {
        if (!file_is_dir(c->operands[i])) {
            log_error("%s: there is no such directory; name one that karma eval, train or ablate "
                      "wrote",
                      c->operands[i]);
            return ERR_USAGE;
        }
    }
    TRY(locking_guest_dir(&lock, NULL, out, "karma report", "--out DIR"));
    const enum err e = make(c, out);
    locking_end(&lock);
    return e;
}

enum err command_report(int argc, char **argv)
{
    struct report_options o = {.title = "KARMA: results", .resamples = 2000};
    return command_call(&line, &o, run, argc, argv);
}
