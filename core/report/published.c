/* Numbers copied from the tables of the paper. See published.h. */
#include "core/report/published.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#define ARMS(...) ((const char *const[]){__VA_ARGS__, NULL})

const struct published published[PUBLISHED] = {
    {"KHPA", ARMS("khpa", "khpa default"), 64.8, 58.1, 20.7, 80.7, 65.6, NAN, NAN, NAN, NAN, NAN},
    {"Gym-HPA", ARMS("gym hpa", "gym hpa latency", "gymhpa"), 73.1, 65.7, 20.8, 66.2, 72.6, NAN,
     NAN, NAN, NAN, NAN},
    {"Rlad-core", ARMS("rlad core", "rlad"), 77.4, 70.1, 15.9, 37.4, 78.3, NAN, NAN, NAN, NAN, NAN},
    {"AWARE", ARMS("aware", "aware h"), 80.6, 73.8, 13.3, 49.5, 83.6, NAN, NAN, NAN, NAN, NAN},
    {"single agent, no organisation", ARMS("single none", "single agent none"), 72.6, 65.4, 17.0,
     60.3, 72.4, NAN, NAN, 11.1, NAN, NAN},
    {"single agent, hard", ARMS("single hard", "single agent hard"), 80.8, 72.5, 15.4, 48.5, 77.5,
     NAN, NAN, 11.1, NAN, NAN},
    {"multi-agent, no organisation", ARMS("multi none", "none"), 87.7, 81.5, 9.3, 43.5, 82.0, 1800,
     4.0, 10.7, NAN, 62.7},
    {"multi-agent, soft", ARMS("multi soft", "soft"), 82.0, 74.7, 15.0, 38.8, 86.0, NAN, NAN, 9.0,
     85.3, 70.1},
    {"multi-agent, hard (KARMA)", ARMS("multi hard", "hard", "karma"), 90.9, 85.7, 5.9, 33.0, 90.7,
     950, 1.5, 5.3, 96.2, 89.4},
};

const double published_twin_without_mlp = 83.5, published_twin_with_mlp = 94.9;

static int equal(const char *arm, const char *name)
{
    for (; *arm != '\0' && *name != '\0'; arm++, name++) {
        const char c = *arm == '_' || *arm == '-' ? ' ' : (char)tolower((unsigned char)*arm);
        if (c != *name) {
            return 0;
        }
    }
    return *arm == *name;
}

int published_find(const char *arm)
{
    for (int i = 0; i < PUBLISHED; i++) {
        for (const char *const *name = published[i].arms; *name != NULL; name++) {
            if (equal(arm, *name)) {
                return i;
            }
        }
    }
    return -1;
}
