/* Choices by masks: compilers leave loops with choices between floats as they are. See
 * feature_rows.h. */
#include "core/twin/feature_rows.h"

#include "core/base/fmath.h"

#include <string.h>

static enum err allocate(struct feature_rows *r, struct arena *arena)
{
    const int n = r->features->n_target;
    r->root = ARENA_NEW(arena, r->features->n_state, uint32_t);
    r->root_out = ARENA_NEW(arena, n, uint32_t);
    r->lo = ARENA_NEW(arena, n, float);
    r->least = ARENA_NEW(arena, n, float);
    r->most = ARENA_NEW(arena, n, float);
    r->hi = ARENA_NEW(arena, n, float);
    r->whole = ARENA_NEW(arena, n, uint32_t);
    return arena_error(arena);
}

enum err feature_rows_init(struct feature_rows *r, struct arena *arena, const struct features *s)
{
    *r = (struct feature_rows){.features = s};
    TRY(allocate(r, arena));
    for (int i = 0; i < s->n_state; i++) {
        r->root[i] = s->columns[i].root ? UINT32_MAX : 0;
    }
    for (int k = 0; k < s->n_target; k++) {
        const bool learned = k < s->n_learned;
        const int at = learned ? s->learned_at[k] : s->n_state + k - s->n_learned;
        const struct features_column *c = &s->columns[at];
        r->root_out[k] = learned && c->root ? UINT32_MAX : 0;
        r->lo[k] = c->lo, r->least[k] = c->least;
        r->most[k] = c->most, r->hi[k] = c->hi;
        r->whole[k] = c->whole ? UINT32_MAX : 0;
    }
    return ERR_OK;
}

/* `yes` where the mask is set. */
static inline float pick(uint32_t mask, float yes, float no)
{
    return fm_from_bits_f32_((fm_bits_f32_(yes) & mask) | (fm_bits_f32_(no) & ~mask));
}

/* x, or 0 where its sign is set. */
static inline float positive(float x)
{
    const uint32_t bits = fm_bits_f32_(x);
    return fm_from_bits_f32_(bits & ~(uint32_t)((int32_t)bits >> 31));
}

/* floorf(x) without the call, which gcc leaves in a loop. Adding 2^23 to a magnitude below it and
 * taking it off again rounds to the nearest whole number; above, all floats are whole. */
static inline float whole_below(float x)
{
    const float WHOLE = 8388608.0F, size = __builtin_fabsf(x);
    const float nearest = __builtin_copysignf((size + WHOLE) - WHOLE, x);
    const float below = pick(0U - (uint32_t)(nearest > x), nearest - 1.0F, nearest);
    return pick(0U - (uint32_t)(size < WHOLE), below, x);
}

/* features_encode() of a state (n). */
static void encode(float *restrict out, const float *restrict state, const uint32_t *restrict root,
                   int n)
{
    for (int i = 0; i < n; i++) {
        out[i] = pick(root[i], __builtin_sqrtf(positive(state[i])), state[i]);
    }
}

/* features_input(), column by column: first all columns as they are, then the gaps and the load by
 * pod over those that have one. The gaps are computed from the state, not from `in`. */
void feature_rows_input(float *in, const struct feature_rows *r, const struct features_decision *d)
{
    const struct features *s = r->features;
    const struct pods_decision decision = {d->states, s->history, d->delta};
    for (int k = 0; k < s->history; k++, in += s->n_state) {
        encode(in, d->states[k], r->root, s->n_state);
        pods_encode(in, &s->pods, d->states[k]);
        pods_share(in, &s->pods, &decision, d->loads, k);
    }
    for (int i = 0; i < s->n_services; i++) {
        *in++ = (float)d->delta[i];
    }
    for (int i = 0; i < STORE_ATTACK; i++) {
        *in++ = d->attack != NULL ? (float)d->attack[i] : 0.0F;
    }
    memcpy(in, d->loads, ((size_t)s->history + 1) * sizeof *in);
}

/* Squares of roots, whole numbers, and both ends; x > least is false for NaN, too. */
void feature_rows_decode(float *restrict out, const struct feature_rows *r,
                         const float *restrict target)
{
    const uint32_t *restrict root = r->root_out, *restrict whole = r->whole;
    const float *restrict lo = r->lo, *restrict least = r->least;
    const float *restrict most = r->most, *restrict hi = r->hi;
    for (int i = 0; i < r->features->n_target; i++) {
        const float y = target[i], x = pick(root[i], positive(y) * positive(y), y);
        const uint32_t above = 0U - (uint32_t)(x > least[i]), below = 0U - (uint32_t)(x < most[i]);
        const float inside = pick(whole[i], whole_below(x + 0.5F), x);
        out[i] = pick(above, pick(below, inside, hi[i]), lo[i]);
    }
}
