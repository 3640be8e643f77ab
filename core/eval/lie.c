/* Which columns are falsified, when, and how. See lie.h. */
#include "core/eval/lie.h"

#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

static const struct cfg_choice kinds[] = {
    {"none", LIE_NONE, ""},
    {"factor", LIE_FACTOR, "values times eval.lie.factor"},
    {"sign", LIE_SIGN, "values times -1"},
    {"frozen", LIE_FROZEN, "values as they were when it began, with a fresh age"},
    {NULL, 0, NULL},
};
const struct cfg_field lie_fields[] = {
    CFG_ENUM(struct lie_cfg, kind, "none", kinds, CFG_RESULT | CFG_LATER,
             "what metrics show instead of the load"),
    CFG_DOUBLE(struct lie_cfg, factor, "0.1", 0, 1000, "", CFG_RESULT | CFG_LATER,
               "of the kind factor"),
    CFG_DOUBLE(struct lie_cfg, start_s, "600", 0, 86400, "s", CFG_RESULT | CFG_LATER,
               "when it begins"),
    CFG_DOUBLE(struct lie_cfg, duration_s, "300", 0, 86400, "s", CFG_RESULT | CFG_LATER,
               "how long it lasts"),
    CFG_DOUBLE(struct lie_cfg, every_s, "900", 1, 86400, "s", CFG_RESULT | CFG_LATER,
               "from one beginning to the next"),
    CFG_END,
};

static const enum service_feature of_services[] = {SF_RECEIVED, SF_SUCCEEDED, SF_ERRORS,
                                                   SF_CPU,      SF_UTIL_10S,  SF_HPA_CPU};
static const enum global_feature of_all[] = {GF_ENTRY_30S, GF_ENTRY_10S, GF_ENTRY_5S, GF_ENTRY_DIFF,
                                             GF_ENTRY_TREND};

enum err lie_init(struct lie *l, struct arena *arena, const struct lie_cfg *cfg, int n_services)
{
    const int n = state_size(n_services);
    *l = (struct lie){.cfg = cfg,
                      .n_services = n_services,
                      .shown = ARENA_NEW(arena, n, float),
                      .before = ARENA_NEW(arena, n, float)};
    return arena_error(arena);
}

void lie_begin(struct lie *l)
{
    l->began = false;
}

static void falsify(struct lie *l, int column)
{
    const float factor = l->cfg->kind == LIE_SIGN ? -1.0F : (float)l->cfg->factor;
    l->shown[column] = l->cfg->kind == LIE_FROZEN ? l->before[column] : factor * l->shown[column];
}

static bool lies_at(const struct lie_cfg *cfg, double t_s)
{
    return t_s >= cfg->start_s && fmod(t_s - cfg->start_s, cfg->every_s) < cfg->duration_s;
}

const float *lie_shown(struct lie *l, const float *state, double t_s)
{
    const size_t bytes = (size_t)state_size(l->n_services) * sizeof *state;
    if (l->cfg->kind == LIE_NONE || !lies_at(l->cfg, t_s)) {
        l->began = false;
        return state;
    }
    if (!l->began) {
        memcpy(l->before, state, bytes);
        l->began = true;
    }
    memcpy(l->shown, state, bytes);
    for (int s = 0; s < l->n_services; s++) {
        for (size_t i = 0; i < sizeof of_services / sizeof *of_services; i++) {
            falsify(l, state_service_at(s, of_services[i]));
        }
    }
    for (size_t i = 0; i < sizeof of_all / sizeof *of_all; i++) {
        falsify(l, state_global_at(l->n_services, of_all[i]));
    }
    return l->shown;
}
