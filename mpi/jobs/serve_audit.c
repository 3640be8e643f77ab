/* The records of a serve in its audit log; serve_verify.h says what is in them. */
#include "mpi/jobs/serve.h"

#include "core/base/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { HEX64 = 17, NAMES = 256 };

/* ---- records ---- */

static void put_digest(struct audit *a, const char *key, uint64_t digest)
{
    char text[HEX64];
    (void)snprintf(text, sizeof text, "%016" PRIx64, digest);
    audit_text(a, key, text);
}

enum err serve_audit_put_start(struct audit *a, const struct serve *s)
{
    struct buf config;
    buf_init(&config);
    const enum err e = serve_cfg_print(&config, &s->cfg);
    if (e == ERR_OK) {
        audit_begin(a, "start");
        audit_int(a, "format", SERVE_AUDIT_FORMAT);
        put_digest(a, "policy", s->policies.sources[0][0].digest);
        audit_text(a, "stage", stage_name(s->gate.stage));
        put_digest(a, "twin", s->twin != NULL ? s->twin->digest : 0);
        audit_int(a, "drift_states", s->has_drift ? s->drift.n_train + s->drift.n_held_out : 0);
        audit_double(a, "drift_threshold", s->has_drift ? s->drift.threshold : (double)NAN);
        audit_text(a, "config", (const char *)config.data);
    }
    buf_release(&config);
    return e;
}

static void put_reasons(struct audit *a, const struct serve *s, int n)
{
    char names[NAMES];
    int32_t overruled;
    for (int i = 0; i < n; i++) {
        char key[80];
        const char *service = s->x.env_setup.topology.cfg->services[i].name;
        if (s->gate.verdict.reasons[i] != 0) {
            serve_name_reasons(names, sizeof names, s->gate.verdict.reasons[i]);
            (void)snprintf(key, sizeof key, "shield %.64s", service);
            audit_text(a, key, names);
        }
        if (s->gate.verdict.overruled[i] != 0) {
            overruled = (int32_t)s->gate.verdict.overruled[i];
            (void)snprintf(key, sizeof key, "overruled %.64s", service);
            audit_ints(a, key, &overruled, 1);
        }
    }
}

/* The inputs come first: what is read back stands before what is compared. */
void serve_audit_put_decision(struct audit *a, const struct serve *s, double clock_s)
{
    const struct serve_decision *d = &s->decision;
    const struct gate *g = &s->gate;
    const int n = s->x.env_setup.topology.n_services;
    const struct team_spec *team = s->policy->spec;
    const int n_actions = team != NULL ? env_n_actions(team) : 0;
    const int n_words = s->policy->mask != NULL ? n_actions * env_mask_words(team) : 0;
    audit_begin(a, "decision");
    audit_double(a, "time", d->time_s);
    audit_double(a, "clock", clock_s);
    audit_int(a, "blind", d->blind);
    audit_floats(a, "state", s->before, s->plant->n_state);
    audit_floats(a, "age", s->before_age, s->plant->n_state);
    audit_int(a, "decision", d->number);
    audit_text(a, "by", d->by_rule ? "khpa" : "policy");
    audit_text(a, "fallback", fallback_words(d->reasons));
    audit_double(a, "distance", d->distance);
    audit_double(a, "score", d->score);
    audit_bits(a, "mask", s->policy->mask, n_words);
    audit_ints(a, "action", s->policy->action, s->policy->action != NULL ? n_actions : 0);
    audit_ints(a, "free_action", s->policy->free_action,
               s->policy->free_action != NULL ? n_actions : 0);
    audit_ints(a, "proposed", g->proposed, n);
    audit_ints(a, "allowed", g->allowed, n);
    audit_ints(a, "to_write", g->written, n);
    put_reasons(a, s, n);
}

enum err serve_audit_open(struct serve *s)
{
    const char *path = file_join(&s->arena, s->dir, "audit.jsonl");
    TRY(arena_error(&s->arena));
    TRY(audit_open(&s->audit, &s->arena, path));
    TRY(serve_audit_put_start(&s->audit, s));
    return audit_end(&s->audit);
}

enum err serve_audit_decision(struct serve *s)
{
    serve_audit_put_decision(&s->audit, s, plant_clock_s(s->plant, 0));
    return audit_end(&s->audit);
}

void serve_audit_put_result(struct audit *a, const struct serve *s, const char *const *results)
{
    const int n = s->x.env_setup.topology.n_services;
    audit_begin(a, "result");
    audit_int(a, "decision", s->decision.number);
    audit_texts(a, "results", results, n);
    audit_ints(a, "moved", s->moved, n);
}

enum err serve_audit_result(struct serve *s)
{
    const int n = s->x.env_setup.topology.n_services;
    const enum err *written = live_written(s->plant);
    if (s->gate.stage == STAGE_SHADOW) {
        return ERR_OK;
    }
    const struct arena_mark mark = arena_mark(&s->scratch);
    const char **names = ARENA_NEW(&s->scratch, n, const char *);
    TRY(arena_error(&s->scratch));
    for (int i = 0; i < n; i++) {
        names[i] = s->gate.written[i] == 0 ? "" : err_name(written[i]);
    }
    serve_audit_put_result(&s->audit, s, names);
    arena_rewind(&s->scratch, mark);
    return audit_end(&s->audit);
}
