#include "links.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>

static int ask(int fd, const char *adapter, void *request)
{
    struct ifreq question;

    memset(&question, 0, sizeof question);
    if (strlen(adapter) >= sizeof question.ifr_name)
        return -ENODEV;
    memcpy(question.ifr_name, adapter, strlen(adapter));
    question.ifr_data = request;
    return ioctl(fd, SIOCETHTOOL, &question) < 0 ? -errno : 0;
}

int cln_link_speed(int fd, const char *adapter, uint32_t *megabits)
{
    /* Three masks of at most 127 words each follow the settings (link_mode_masks_nwords is a signed octet). */
    union {
        struct ethtool_link_settings settings;
        uint32_t room[sizeof(struct ethtool_link_settings) / sizeof(uint32_t) + 3 * 127];
    } answer;
    int result;

    memset(&answer, 0, sizeof answer);
    answer.settings.cmd = ETHTOOL_GLINKSETTINGS;
    result = ask(fd, adapter, &answer.settings);
    if (result < 0)
        return result;
    /* The first answer is the number of words that the kernel has, negated; the second one is the answer. */
    if (answer.settings.link_mode_masks_nwords < 0) {
        const int8_t words = (int8_t)-answer.settings.link_mode_masks_nwords;

        memset(&answer, 0, sizeof answer);
        answer.settings.cmd = ETHTOOL_GLINKSETTINGS;
        answer.settings.link_mode_masks_nwords = words;
        result = ask(fd, adapter, &answer.settings);
        if (result < 0)
            return result;
    }
    *megabits = answer.settings.speed == (uint32_t)SPEED_UNKNOWN ? 0 : answer.settings.speed;
    return 0;
}

int cln_link_driver(int fd, const char *adapter, struct cln_driver *driver)
{
    struct ethtool_drvinfo answer;
    int result;

    memset(&answer, 0, sizeof answer);
    answer.cmd = ETHTOOL_GDRVINFO;
    result = ask(fd, adapter, &answer);
    if (result < 0)
        return result;
    memset(driver, 0, sizeof *driver);
    memcpy(driver->name, answer.driver, strnlen(answer.driver, sizeof driver->name - 1));
    memcpy(driver->place, answer.bus_info, strnlen(answer.bus_info, sizeof driver->place - 1));
    return 0;
}

int cln_spread_table(int fd, const char *adapter, uint32_t *entries)
{
    struct ethtool_rxfh answer;
    int result;

    /* Without room for the table the kernel tells its size only. */
    memset(&answer, 0, sizeof answer);
    answer.cmd = ETHTOOL_GRSSH;
    result = ask(fd, adapter, &answer);
    if (result < 0)
        return result;
    *entries = answer.indir_size;
    return 0;
}

int cln_receive_channels(int fd, const char *adapter, uint32_t *channels)
{
    struct ethtool_channels answer;
    int result;

    memset(&answer, 0, sizeof answer);
    answer.cmd = ETHTOOL_GCHANNELS;
    result = ask(fd, adapter, &answer);
    if (result < 0)
        return result;
    *channels = answer.rx_count + answer.combined_count;
    return 0;
}
