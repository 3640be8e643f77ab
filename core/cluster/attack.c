/* What reaches into requests from outside, other than by sending more of them.
 *
 * Slow-loris: connections that arrive at an entry, wait in its queue like a call, and when they get
 * a worker slot hold it for hold_s without using CPU. They are counted neither as requests nor as
 * calls: they are not received, answered or failed, they only occupy slots and queues. They arrive
 * and end on the ticks of disturbances.c, at rates held within a tick; what connection n draws is a
 * function of (episode, n). A connection that finds the queue full goes away.
 *
 * Losses: a call on a lossy link does not arrive, and its caller is told at once, as by a reset
 * connection. In the books it counts like a call that was refused, at the callee.
 */
#include "core/cluster/internal.h"

/* ---- slow-loris ---- */

/* The attacker's key; second coordinate 0 are his requests, see arrivals.c. */
static struct rng_block loris_draw(const struct sim *s, uint32_t n)
{
    struct rng_key key = rng_key(s->id.seed, RNG_ARRIVAL_ATTACK, s->id.split);
    return rng_philox(key, n, 1, s->id.episode, s->id.env);
}

void sim_loris_start(struct sim *s)
{
    s->n_held_conns = 0;
    s->n_loris_arrived = 0;
    s->loris_rate = s->loris_hold_s = 0.0;
    s->loris_left = rng_exponential(loris_draw(s, 0).v[0]);
}

/* Connections arrive where the integral of the rate passes unit exponentials. */
static void loris_arrive(struct sim *s, double passed)
{
    const struct topology *t = s->shared->topology;
    while (s->loris_left <= passed) {
        struct rng_block draw = loris_draw(s, s->n_loris_arrived);
        int entry = t->entries[rng_below(draw.v[2], (uint32_t)t->n_entries)];
        (void)sim_conn_open(s, entry, s->loris_hold_s, draw.v[1]);
        passed -= s->loris_left;
        s->n_loris_arrived++;
        s->loris_left = rng_exponential(loris_draw(s, s->n_loris_arrived).v[0]);
    }
    s->loris_left -= passed;
}

/* Times of ticks carry rounding errors: what is due within 1 ns is due. */
static void close_expired(struct sim *s)
{
    double due = s->now + 1e-9;
    for (int32_t i = 0; s->n_held_conns > 0 && i < s->n_touched; i++) {
        if (s->calls[i].state == CALL_HOLDING && s->calls[i].deadline_s <= due) {
            sim_conn_close(s, i);
        }
    }
}

void sim_loris_advance(struct sim *s, double dt)
{
    close_expired(s);
    loris_arrive(s, s->loris_rate * dt);
    s->loris_rate = schedule_loris(s->schedule, s->now, &s->loris_hold_s);
}

/* ---- losses ---- */

bool sim_call_lost(const struct sim *s, int caller, int callee, uint32_t request, uint32_t visit)
{
    double p = schedule_loss(s->schedule, caller, callee, s->now);
    struct rng_block draw = rng_philox(s->key_fault, visit, request, s->id.episode, s->id.env);
    return (double)draw.v[0] * 0x1p-32 < p;
}
