/* Making the decisions of a serve again from its audit log. See serve_verify.h. */
#include "mpi/jobs/serve_verify.h"

#include "core/base/log.h"

#include <inttypes.h>
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
static enum err compare(struct serve_verify *c, struct audit *a, const struct audit_record *r)
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
            c->n_other++;
            e = ERR_MISMATCH;
        } else {
            c->n_same++;
        }
    }
    buf_release(&again);
    return e;
}

/* The serve as it was when it began; its start record must come out again, which compares weights,
 * twin and traces. */
static enum err restart(struct serve_verify *c, const struct audit_record *r)
{
    struct buf config;
    struct audit a;
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
        e = make_plant(&s->plant, &c->arena, s);
    }
    if (e == ERR_OK) {
        e = serve_begin(s);
    }
    if (e == ERR_OK) {
        e = serve_audit_put_start(&a, s);
    }
    if (e == ERR_OK) {
        e = compare(c, &a, r);
        c->n_same -= e == ERR_OK;
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
    audit_init_preview(&a);
    a.n = r->number;
    serve_audit_put_decision(&a, s, p->clock_s);
    const enum err e = compare(c, &a, r);
    audit_close(&a);
    return e;
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
        if (!audit_get_ints(c->s->moved, c->s->x.env_setup.topology.n_services, r, "moved")) {
            return wrong(r, "it does not say what was written");
        }
        serve_written(c->s);
    }
    return ERR_OK;
}
