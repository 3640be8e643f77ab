/* Making the decisions of a serve again from its audit log. See serve_verify.h. */
#include "mpi/jobs/serve_verify.h"

#include "core/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- a plant that shows what was recorded ---- */

struct recorded {
    struct plant base;
    float *state, *age; /* (n_state) */
    double clock_s;
};

static const float *recorded_state(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct recorded *)p)->state;
}

static const float *recorded_age(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct recorded *)p)->age;
}

static double recorded_clock_s(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct recorded *)p)->clock_s;
}

static const struct plant_ops recorded_ops = {
    .kind = "recorded", .state = recorded_state, .age = recorded_age, .clock_s = recorded_clock_s};

static enum err make_plant(struct plant **out, struct arena *arena, const struct serve *s)
{
    const struct env_setup *w = &s->x.env_setup;
    const int n = state_size(w->topology.n_services);
    struct recorded *r = ARENA_NEW(arena, 1, struct recorded);
    float *values = ARENA_NEW(arena, 2 * n, float);
    TRY(arena_error(arena));
    *r = (struct recorded){.base = {.ops = &recorded_ops,
                                    .topology = &w->topology,
                                    .cfg = &s->x.cfg.plant,
                                    .n_env = 1,
                                    .n_state = n,
                                    .can = PLANT_REAL_TIME},
                           .state = values,
                           .age = values + n};
    *out = &r->base;
    return ERR_OK;
}

/* ---- making decisions again ---- */

void serve_verify_init(struct serve_verify *c, const char *run)
{
    *c = (struct serve_verify){.run = run};
    arena_init(&c->arena);
}

void serve_verify_release(struct serve_verify *c)
{
    if (c->s != NULL) {
        serve_release(c->s);
        c->s = NULL;
    }
    arena_release(&c->arena);
}

static enum err wrong(const struct audit_record *r, const char *why)
{
    log_error("record %" PRId64 " (%s): %s", r->number, r->kind, why);
    return ERR_MISMATCH;
}

/* The fields that were put must be the record's, byte by byte. */
static enum err compare(struct audit *a, const struct audit_record *r)
{
    struct buf again;
    size_t at = 0;
    buf_init(&again);
    enum err e = audit_preview(&again, a);
    if (e == ERR_OK) {
        const size_t n = again.len < r->n_body ? again.len : r->n_body;
        while (at < n && (char)again.data[at] == r->body[at]) {
            at++;
        }
        if (at < n || again.len != r->n_body) {
            const int left = (int)(r->n_body - at), new_left = (int)(again.len - at);
            log_error("record %" PRId64 " (%s) comes out otherwise: from its byte %zu on it has "
                      "%.*s and should have %.*s",
                      r->number, r->kind, at, left < 40 ? left : 40, r->body + at,
                      new_left < 40 ? new_left : 40, (const char *)again.data + at);
            e = ERR_MISMATCH;
        }
    }
    buf_release(&again);
    return e;
}

static enum err check_format(const struct audit_record *r)
{
    int64_t format = 0;
    if (!audit_get_int(&format, r, "format")) {
        return wrong(r, "it has no format");
    }
    if (format != SERVE_AUDIT_FORMAT) {
        log_error("record %" PRId64 " (%s): the log has format %" PRId64
                  ", and this program makes decisions of format %d again; verify it with the "
                  "program that wrote it, or leave --policy out: the digests are the same",
                  r->number, r->kind, format, SERVE_AUDIT_FORMAT);
        return ERR_VERSION;
    }
    return ERR_OK;
}

/* Another policy would come to other decisions: said before they are made. */
static enum err check_weights(const struct serve_verify *c, const struct audit_record *r)
{
    const uint64_t digest = c->s->policies.sources[0][0].digest;
    struct buf text;
    char own[17];
    buf_init(&text);
    (void)snprintf(own, sizeof own, "%016" PRIx64, digest);
    enum err e = ERR_OK;
    if (audit_get_text(&text, r, "policy") && strcmp((const char *)text.data, own) != 0) {
        log_error("record %" PRId64 " (%s): the policy that decided has weights of digest %.40s, "
                  "and those of %s have %s; give the training run that served, with --policy",
                  r->number, r->kind, (const char *)text.data, c->run, own);
        e = ERR_MISMATCH;
    }
    buf_release(&text);
    return e;
}

/* The serve as it was when it began; its start record must come out again, which compares weights,
 * twin and traces. */
static enum err restart(struct serve_verify *c, const struct audit_record *r)
{
    struct buf config;
    struct audit a;
    TRY(check_format(r));
    serve_verify_end(c);
    serve_verify_release(c);
    arena_init(&c->arena);
    buf_init(&config);
    audit_init_preview(&a);
    a.n = r->number;
    struct serve *s = ARENA_NEW(&c->arena, 1, struct serve);
    enum err e = arena_error(&c->arena);
    if (e == ERR_OK && !audit_get_text(&config, r, "config")) {
        e = wrong(r, "it has no configuration");
    }
    if (e == ERR_OK) {
        const struct serve_typed typed = {
            .run = c->run, .recorded = arena_strdup(&c->arena, (const char *)config.data)};
        e = arena_error(&c->arena);
        e = e == ERR_OK ? serve_init_offline(s, &typed) : e;
        c->s = e == ERR_OK ? s : NULL;
    }
    if (e == ERR_OK) {
        e = check_weights(c, r);
    }
    if (e == ERR_OK) {
        e = make_plant(&s->plant, &c->arena, s);
    }
    if (e == ERR_OK) {
        e = serve_begin(s);
    }
    if (e == ERR_OK) {
        e = serve_audit_put_start(&a, s);
    }
    if (e == ERR_OK) {
        e = compare(&a, r);
    }
    c->decided = false;
    audit_close(&a);
    buf_release(&config);
    return e;
}

static enum err decide_again(struct serve_verify *c, const struct audit_record *r)
{
    struct serve *s = c->s;
    struct recorded *p = (struct recorded *)s->plant;
    struct audit a;
    double time_s;
    int64_t blind;
    if (c->pending) {
        return wrong(r, "the result of the decision before it is missing, and its stage writes");
    }
    if (!audit_get_double(&time_s, r, "time") || !audit_get_double(&p->clock_s, r, "clock") ||
        !audit_get_int(&blind, r, "blind") ||
        !audit_get_floats(p->state, s->plant->n_state, r, "state") ||
        !audit_get_floats(p->age, s->plant->n_state, r, "age")) {
        return wrong(r, "it does not hold the values that the policy reads");
    }
    if (c->decided) {
        serve_look_back(s);
    }
    serve_decide(s, time_s, blind != 0);
    c->decided = true;
    c->pending = s->gate.stage != STAGE_SHADOW;
    audit_init_preview(&a);
    a.n = r->number;
    serve_audit_put_decision(&a, s, p->clock_s);
    const enum err e = compare(&a, r);
    c->n_same += e == ERR_OK;
    audit_close(&a);
    return e;
}

/* s->moved and the names (n) of the answers. False: an answer without a write, or the reverse. */
static bool take_answers(struct serve *s, const char **names, const struct buf *texts, int n)
{
    const char *at = (const char *)texts->data;
    bool fits = true;
    for (int i = 0; i < n; i++, at += strlen(at) + 1) {
        names[i] = at;
        fits = fits && (at[0] == '\0') == (s->gate.written[i] == 0);
        s->moved[i] = strcmp(at, err_name(ERR_OK)) == 0 ? s->gate.written[i] : 0;
    }
    return fits;
}

static enum err result_again(struct serve_verify *c, const struct audit_record *r)
{
    struct serve *s = c->s;
    const int n = s->x.env_setup.topology.n_services;
    struct buf texts;
    struct audit a;
    if (!c->pending) {
        return wrong(r, "no decision stands before it whose changes were to be written");
    }
    const struct arena_mark mark = arena_mark(&s->scratch);
    const char **names = ARENA_NEW(&s->scratch, n, const char *);
    TRY(arena_error(&s->scratch));
    buf_init(&texts);
    audit_init_preview(&a);
    a.n = r->number;
    enum err e = ERR_OK;
    if (!audit_get_texts(&texts, n, r, "results")) {
        e = wrong(r, "it does not say what became of each write");
    } else if (!take_answers(s, names, &texts, n)) {
        e = wrong(r, "its answers do not belong to the changes that the decision wanted to write");
    } else {
        serve_audit_put_result(&a, s, names);
        e = compare(&a, r);
    }
    serve_written(s);
    c->pending = false;
    c->n_results += e == ERR_OK;
    audit_close(&a);
    buf_release(&texts);
    arena_rewind(&s->scratch, mark);
    return e;
}

void serve_verify_end(struct serve_verify *c)
{
    c->n_unknown += c->pending;
    c->pending = false;
}

enum err serve_verify_next(struct serve_verify *c, const struct audit_record *r)
{
    if (strcmp(r->kind, "start") == 0) {
        return restart(c, r);
    }
    if (c->s == NULL) {
        return wrong(r, "no start stands before it");
    }
    if (strcmp(r->kind, "decision") == 0) {
        return decide_again(c, r);
    }
    if (strcmp(r->kind, "result") == 0) {
        return result_again(c, r);
    }
    return wrong(r, "karma serve writes no record of this kind");
}
