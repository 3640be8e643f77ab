/* One job = one episode of one match. See matches.h. */
#include "mpi/jobs/matches.h"

#include "core/scenario/attacker.h"
#include "mpi/comm/farm.h"
#include "mpi/comm/stop.h"

#include <string.h>

struct playing {
    struct matches *m;
    struct episode episode;
};

/* What the schedule and the learned attacker have sent. */
static void put_attack(double *values, const struct playing *p, bool attacked)
{
    const struct plant_cfg *all = &p->m->world->plant;
    const struct schedule *s = &p->episode.schedule;
    const double legit = attacker_nominal(s) * s->n_seconds;
    const struct attack_budget left = plant_attack_left(p->episode.plant, 0);
    const struct attack_budget sent = attack_world_scripted(s, &p->m->world->all.topology);
    values[MATCH_CONNECTIONS] = sent.connections;
    values[MATCH_WORK] = sent.work;
    values[MATCH_REQUESTS] = sent.requests;
    if (attacked) {
        values[MATCH_CONNECTIONS] += (all->attack_connections * legit - left.connections) / legit;
        values[MATCH_WORK] += (all->attack_work * legit - left.work) / legit;
        values[MATCH_REQUESTS] += (all->attack_requests * legit - left.requests) / legit;
    }
}

static enum err run_job(void *ctx, int i, struct buf *out)
{
    struct playing *p = ctx;
    const struct matches *m = p->m;
    const struct match *match = &m->list[i / m->episodes];
    const struct episode_id id = {
        .seed = m->seed, .split = m->split, .env = (uint32_t)(m->first + i % m->episodes)};
    struct episode_metrics metrics;
    double values[MATCH_VALUES];
    p->episode.raider = match->raider;
    TRY(episode_run(&p->episode, &metrics, match->controller, match->scenario, &id, NULL));
    memcpy(values, &metrics, sizeof metrics);
    put_attack(values, p, match->raider != NULL);
    return buf_append(out, values, sizeof values);
}

static enum err take_job(void *ctx, int i, const void *record, size_t bytes)
{
    struct playing *p = ctx;
    CHECK(bytes == MATCH_VALUES * sizeof *p->m->values);
    memcpy(p->m->values + (size_t)i * MATCH_VALUES, record, bytes);
    return ERR_OK;
}

static enum err init(struct playing *p, struct matches *m, struct arena *scratch)
{
    const struct eval_cfg *eval = &m->world->x->cfg.eval;
    const size_t n = (size_t)m->n * (size_t)m->episodes * MATCH_VALUES;
    *p = (struct playing){.m = m};
    m->values = arena_alloc(scratch, n, sizeof *m->values);
    TRY(arena_error(scratch));
    TRY(episode_init(&p->episode, scratch, &m->world->all));
    p->episode.warmup_s = eval->warmup_s;
    p->episode.step_bound = eval->step_bound;
    return ERR_OK;
}

enum err matches_play(struct matches *m, struct comm *comm, struct arena *scratch)
{
    struct playing p;
    TRY(comm_agree(comm, init(&p, m, scratch)));
    const struct job_list jobs = {.n = m->n * m->episodes,
                                  .ctx = &p,
                                  .what = m->what,
                                  .run = run_job,
                                  .take = take_job,
                                  .stop = stop_of_jobs};
    return farm_run(comm, &jobs);
}
