/* What reaches into requests from outside, other than by sending more of them.
 *
 * Slow-loris: connections that take a place at an entry, wait in its queue like anybody, and when
 * they get a worker slot hold it for hold_s without using CPU. In the books they are no requests
 * and no calls: nothing is received, answered or failed, only slots and places are taken. They
 * come and go on the ticks of the weather, at rates held within a tick; connection n and what it
 * draws is a function of (episode, n). One that finds no place goes away.
 *
 * Losses: a call on a lossy link does not arrive, and its caller is told at once, as by a reset
 * connection. In the books it counts like a call that was refused, at the callee.
 */
#include "core/cluster/internal.h"

/* ---- slow-loris ---- */

/* The attacker's key; second coordinate 0 are his requests, see arrivals.c. */
static struct rng_block knock_draw(const struct sim *s, uint32_t n)
{
    struct rng_key key = rng_key(s->id.seed, RNG_ARRIVAL_ATTACK, s->id.split);
    return rng_philox(key, n, 1, s->id.episode, s->id.env);
}

void sim_loris_start(struct sim *s)
{
    s->n_holders = 0;
    s->n_knocked = 0;
    s->knock_rate = s->knock_hold_s = 0.0;
    s->knock_left = rng_exponential(knock_draw(s, 0).v[0]);
}

/* Connections arrive where the integral of the rate passes unit exponentials. */
static void knock(struct sim *s, double passed)
{
    const struct topology *t = s->world->topology;
    while (s->knock_left <= passed) {
        struct rng_block draw = knock_draw(s, s->n_knocked);
        int entry = t->entries[rng_below(draw.v[2], (uint32_t)t->n_entries)];
        (void)sim_hold(s, entry, s->knock_hold_s, draw.v[1]);
        passed -= s->knock_left;
        s->n_knocked++;
        s->knock_left = rng_exponential(knock_draw(s, s->n_knocked).v[0]);
    }
    s->knock_left -= passed;
}

/* Times of ticks carry rounding errors: what is due within 1 ns is due. */
static void let_go(struct sim *s)
{
    double due = s->now + 1e-9;
    for (int32_t i = 0; s->n_holders > 0 && i < s->n_touched; i++) {
        if (s->calls[i].state == CALL_HOLDING && s->calls[i].deadline_s <= due) {
            sim_release(s, i);
        }
    }
}

void sim_loris_pass(struct sim *s, double dt)
{
    let_go(s);
    knock(s, s->knock_rate * dt);
    s->knock_rate = schedule_loris(s->schedule, s->now, &s->knock_hold_s);
}

/* ---- losses ---- */

bool sim_call_lost(const struct sim *s, int caller, int callee, uint32_t request, uint32_t visit)
{
    double p = schedule_loss(s->schedule, caller, callee, s->now);
    struct rng_block draw = rng_philox(s->key_fault, visit, request, s->id.episode, s->id.env);
    return (double)draw.v[0] * 0x1p-32 < p;
}
