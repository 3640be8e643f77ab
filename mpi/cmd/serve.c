/* karma serve: a trained policy beside a cluster: look, say, and write only what was allowed. */
#include "mpi/jobs/serve.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/shell.h"
#include "mpi/cmd/commands.h"
#include "mpi/comm/locking.h"
#include "mpi/comm/stop.h"

#include <stdio.h>

struct options {
    const char **sets;
    int n_sets;
    const char *config, *metrics, *prometheus, *stage, *out;
    bool check, print_config;
    int past, decisions;
};

static const struct option_row rows[] = {
    OPTION_STRING(struct options, prometheus, "prometheus", 'p', "URL",
                  "the same as --set prometheus.url=URL"),
    OPTION_STRING(struct options, metrics, "metrics", 'm', "PACK",
                  "what Prometheus is asked, e.g. configs/metrics/kubernetes.yaml"),
    OPTION_STRING(struct options, config, "config", 'c', "FILE",
                  "a configuration of `karma serve`, read behind PACK"),
    OPTION_LIST(struct options, sets, n_sets, "set", 's', "KEY=VALUE",
                "override a key of that configuration"),
    OPTION_STRING(struct options, stage, "stage", 0, "STAGE",
                  "shadow (default: writes nothing), limited or full: --set stage=STAGE"),
    OPTION_FLAG(struct options, check, "check", 0,
                "measure once, print each query and what its answer becomes, and end: 1 if a value "
                "is missing"),
    OPTION_INT(struct options, past, "past", 0, "MINUTES", 1, 100000,
               "play the last minutes that Prometheus has stored instead of the present"),
    OPTION_INT(struct options, decisions, "decisions", 'n', "N", 1, 1000000000,
               "end after N decisions (default: on SIGTERM)"),
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where decisions.csv and report.txt go (default: POLICY/serve)"),
    OPTION_FLAG(struct options, print_config, "print-config", 0,
                "print the complete default configuration with its comments, and end"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"POLICY", "directory of a training run, e.g. results/runs/quickstart", 0, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma serve",
    "Puts a trained policy beside a cluster. Every decision period it measures through Prometheus, "
    "decides, passes the decision through the shield, and logs it; in the stages limited and full "
    "it writes what the shield allows to the Kubernetes API. In an unknown state the Kubernetes "
    "rule decides instead of the policy. At the end it prints a report: how the policy agrees with "
    "what the cluster did, and what the twin expects of both. docs/transfer.md is a walk through. "
    "Needs no ranks.",
    rows, operand_rows, sizeof(struct options)};

/* ---- what was typed ---- */

/* The short options stand before what --set says, so that a --set wins. */
static enum err all_sets(const char ***out, int *n_out, const struct call *c)
{
    const struct options *o = c->options;
    const char **sets = ARENA_NEW(c->arena, o->n_sets + 2, const char *);
    int n = 0;
    TRY(arena_error(c->arena));
    if (o->prometheus != NULL) {
        sets[n++] = arena_printf(c->arena, "prometheus.url=%s", o->prometheus);
    }
    if (o->stage != NULL) {
        sets[n++] = arena_printf(c->arena, "stage=%s", o->stage);
    }
    for (int i = 0; i < o->n_sets; i++) {
        sets[n++] = o->sets[i];
    }
    *out = sets;
    *n_out = n;
    return arena_error(c->arena);
}

static enum err print_config(void)
{
    struct buf b;
    buf_init(&b);
    const enum err e = cfg_doc(&b, serve_fields);
    if (e == ERR_OK) {
        fwrite(b.data, 1, b.len, stdout);
    }
    buf_release(&b);
    return e;
}

/* ---- the script ---- */

static enum err serve(struct serve *s, const struct call *c)
{
    const struct options *o = c->options;
    const struct serve_options how = {
        .dir = o->out != NULL ? o->out : file_join(c->arena, c->operands[0], "serve"),
        .decisions = o->decisions,
        .past_min = o->past};
    struct lock lock = {.fd = -1};
    TRY(arena_error(c->arena));
    TRY(locking_dir(&lock, NULL, how.dir, "karma serve", "--out DIR"));
    stop_listen_all(); /* behind the lock, whose signals leave at once */
    const enum err e = serve_run(s, &how);
    locking_end(&lock);
    return e;
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->print_config) {
        return print_config();
    }
    if (c->n_operands != 1) {
        return command_misused(c, "POLICY is missing: the directory of a training run");
    }
    if (o->check && (o->past > 0 || o->decisions > 0)) {
        return command_misused(c, "--check measures once; leave --past and --decisions out");
    }
    struct serve_typed typed = {.run = c->operands[0], .config = o->config, .metrics = o->metrics};
    const char **sets;
    struct serve *s = ARENA_NEW(c->arena, 1, struct serve);
    TRY(all_sets(&sets, &typed.n_sets, c));
    typed.sets = sets;
    stop_listen_all();
    TRY(serve_init(s, &typed));
    const enum err e = o->check ? serve_check(s) : serve(s, c);
    serve_release(s);
    return e;
}

enum err command_serve(int argc, char **argv)
{
    struct options o = {0};
    return command_call(&line, &o, run, argc, argv);
}
