/* karma serve: a trained policy beside a cluster, decision by decision.
 *
 *     measure -> policy, rule -> who decides -> shield -> stage -> write -> log -> wait
 *
 * What is written, and when nothing is, says core/transfer/stage.h; who decides,
 * core/transfer/drift.h. Policy and rule see every decision, also those that the other one makes,
 * so that both know their past when it is their turn.
 *
 * Files in the directory of a serve: audit.jsonl, from which each decision can be made again
 * (serve_verify.h); decisions.csv, a row for each service and decision, which is
 * on disk before the next decision begins; report.txt, the report so far, replaced every
 * REPORT_EVERY decisions and at the end.
 */
#ifndef KARMA_JOBS_SERVE_H
#define KARMA_JOBS_SERVE_H

#include "core/base/csv.h"
#include "core/controllers/controller.h"
#include "core/transfer/audit.h"
#include "core/transfer/effect.h"
#include "core/transfer/health.h"
#include "core/transfer/live_kubernetes.h"
#include "core/transfer/shadow.h"
#include "core/transfer/stage.h"
#include "mpi/jobs/policies.h"
#include "mpi/jobs/serve_cfg.h"

/* SERVE_AUDIT_FORMAT: of the records of serve_verify.h; 2 since they hold masks, 3 since the
 * configuration has metrics.scrape_s. */
enum { SERVE_REPORT_EVERY = 20, SERVE_REASON = 192, SERVE_AUDIT_FORMAT = 3 };

/* Who reads a column of the state: bits. */
enum serve_reader { READ_BY_SHIELD = 1, READ_BY_POLICY = 2, READ_BY_RULE = 4 };

/* CPU seconds of this process. */
struct serve_cpu {
    double measure_s, decide_s; /* sums: of readings, of decisions without their readings */
    double decide_most_s;
    int64_t n;
};

/* What is known of a decision when it is made: for the logs. */
struct serve_decision {
    int64_t number;
    double time_s; /* Unix time of the reading */
    bool blind;    /* there was no measurement */
    bool by_rule;
    unsigned reasons; /* enum fallback_reason */
    double distance, score;
    int worst; /* column with the largest part of the distance; DRIFT_NONE */
};

struct serve {
    struct arena arena, scratch;
    struct serve_typed typed;
    struct serve_cfg cfg;
    struct cfg reader;
    struct experiment x;
    struct policies policies;
    struct controller *policy, *rule;
    struct queries queries;
    uint8_t *needed; /* (state_size) enum serve_reader */
    struct http *http;
    struct live_prometheus prometheus;
    struct live_past past;
    struct kube *kube; /* of the stages that write; NULL in shadow */
    struct live_kubernetes writes;
    char (*reasons)[SERVE_REASON]; /* (N) of the changes of a decision: events say them */
    struct plant *plant;
    struct gate gate;
    struct fallback fallback;
    struct drift drift;
    bool has_drift;
    struct twin_cfg twin_cfg;
    struct twin_model *twin; /* NULL: none */
    struct effect effect;    /* with a twin */
    struct shadow shadow;
    struct serve_decision decision; /* the newest */
    int32_t *proposed;              /* (N) */
    float *before;                  /* (state_size) state and age of the newest decision */
    float *before_age;
    int32_t *moved; /* (N) */
    double now_s;   /* of the past that is played */
    struct serve_cpu cpu;
    struct health *health;
    struct csv csv;
    struct audit audit; /* fd -1: closed */
    bool offline;       /* recorded decisions are made again: no server is asked */
    const char *dir;
    struct buf page;
};

/* How a serve is run. */
struct serve_options {
    const char *dir; /* where the files go; made if missing */
    int decisions;   /* then it ends; 0: never */
    int past_min;    /* > 0: the last minutes of Prometheus instead of the present; shadow only */
};

/* Builds everything but the files and the endpoint. `s` must stay where it is; on failure nothing
 * is held. typed: borrowed. */
enum err serve_init(struct serve *s, const struct serve_typed *typed) WARN_UNUSED;
void serve_release(struct serve *s);

/* Measures once and prints what is asked, what came and what it becomes. ERR_FAILED if a column is
 * not known that the shield, the policy or the rule of the fallback reads. */
enum err serve_check(struct serve *s) WARN_UNUSED;

/* Serves until it has made o->decisions, or a signal comes (SIGTERM, SIGINT, SIGHUP, SIGUSR1), or
 * the past has been played; then prints the report. */
enum err serve_run(struct serve *s, const struct serve_options *o) WARN_UNUSED;

/* ---- parts, for serve*.c ---- */

/* serve_init() for decisions that were recorded: without servers; the caller sets s->plant, of one
 * environment. serve_begin() loads the twin and the traces, as serve_run() does. */
enum err serve_init_offline(struct serve *s, const struct serve_typed *typed) WARN_UNUSED;
enum err serve_begin(struct serve *s) WARN_UNUSED;

/* One decision and its period, with all records; the files are open. */
enum err serve_step(struct serve *s) WARN_UNUSED;

/* The parts of a decision. Decide for what s->plant shows, and keep that as `before`; ...
 * time_s, blind: of the reading. */
void serve_decide(struct serve *s, double time_s, bool blind);
/* ... in a stage that writes, take s->moved as what was written; ... */
void serve_written(struct serve *s);
/* ... and after the period, when s->plant shows what came of it. */
void serve_look_back(struct serve *s);

/* Marks what the policy observes of a state; of a team that does not play by the rules of the game,
 * what its method says. */
void serve_mark_policy(uint8_t *columns, const struct serve *s);

/* Can a value be used: it is known, and not older than shield.stale_s? */
bool serve_fresh(const struct serve *s, int column);

/* Appends "web.cpu"; name of a column of the state. */
const char *serve_column(const struct serve *s, char text[64], int column);

/* "step, node": bits of enum shield_reason. */
void serve_name_reasons(char *text, size_t size, uint32_t reasons);

enum err serve_log_open(struct serve *s, const char *dir) WARN_UNUSED;
void serve_log_close(struct serve *s);
/* Opens or continues s->dir/audit.jsonl and writes the start; serve_verify.h says what the records
 * hold. The decision is written before, the result after the writing; in shadow there is none. */
enum err serve_audit_open(struct serve *s) WARN_UNUSED;
enum err serve_audit_decision(struct serve *s) WARN_UNUSED;
enum err serve_audit_result(struct serve *s) WARN_UNUSED;
/* Their fields alone. clock_s: of the plant. */
enum err serve_audit_put_start(struct audit *a, const struct serve *s) WARN_UNUSED;
void serve_audit_put_decision(struct audit *a, const struct serve *s, double clock_s);
/* results (N): "" where nothing was to be written, else the name of an error, "ERR_OK". */
void serve_audit_put_result(struct audit *a, const struct serve *s, const char *const *results);
/* Rows of the newest decision. */
enum err serve_log_decision(struct serve *s) WARN_UNUSED;
/* The process's own metrics, to the endpoint. */
enum err serve_publish(struct serve *s) WARN_UNUSED;
/* report.txt; also to standard output if `show`. */
enum err serve_report(struct serve *s, bool show) WARN_UNUSED;

#endif
