"""The texts of the golden files: a corpus to train a tokenizer on, and the pairs to score.

Everything comes from the lists below and a counter, so it is the same on every run.
"""

import itertools

NOUNS = """river mountain village teacher student doctor painter sailor farmer driver garden
kitchen window bridge market station library museum forest island desert harbour castle tower
letter picture story question answer number colour season winter summer autumn spring morning
evening weather thunder rain snow wind cloud star planet engine wheel machine computer keyboard
screen battery camera telephone bicycle train aeroplane ship bread cheese apple orange potato
tomato pepper sugar coffee water butter horse rabbit elephant tiger monkey eagle sparrow salmon
whale spider butterfly film book song novel actor singer director plot scene ending price ticket
service waiter hotel room table chair mirror carpet hammer needle basket bottle blanket candle
government election law court company product customer review experiment theory result measure
temperature pressure distance language sentence word paragraph summary title example""".split()
VERBS = """walk jump carry follow answer paint repair discover measure explain describe compare
choose build collect deliver remember forget finish visit watch help plant open close count
translate summarise classify mention suggest support reject improve avoid reach return enjoy
order push pull clean cook explore protect prepare publish record report""".split()
ADJECTIVES = """quiet bright heavy gentle narrow ancient modern careful careless wonderful terrible
boring exciting cheap expensive fresh bitter simple difficult honest strange familiar broken clever
happy gloomy friendly cold warm early late empty crowded positive negative neutral correct wrong
useful useless possible serious famous hidden ordinary""".split()
SMALL = """the a an of to in on at with from for and or but because although when while before
after is was were are be not never always often rarely very quite too this that these those it they
he she we you one two three four five six seven eight nine ten which what who where why how yes no
true false only every some none more less most least""".split()

SCRIPTS = [
    "老师在图书馆里读一本关于河流和山的书。",
    "今天的天气很冷,我们晚上喝热茶。",
    "駅の前に古い橋があり、子供たちが歩いています。",
    "カメラの電池が切れたので、写真は撮れませんでした。",
    "작은 마을의 시장에서 사과와 빵을 샀습니다.",
    "قرأ الطالب الرسالة ثم ذهب إلى السوق في الصباح.",
    "هل كانت الخدمة جيدة أم سيئة؟",
    "הרופאה כתבה מכתב קצר לאחיה.",
    "नदी के किनारे एक छोटा गाँव है।",
    "แมวนั่งอยู่ข้างหน้าต่างและมองดูฝน",
    "Старый мост через реку закрыт до весны.",
    "Το πλοίο φεύγει από το λιμάνι το πρωί.",
    "Der Bäcker öffnet früh; die Brötchen sind noch heiß.",
    "L'été dernier, nous avons mangé des pâtes près du château.",
    "El niño soñó con una montaña y un águila.",
    "Phở nóng ngon hơn vào buổi sáng.",
]


class Dice:
    """A small generator whose numbers do not depend on the version of Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def pick(self, items):
        return items[self.below(len(items))]


def word(dice):
    """A word in one of its forms."""
    kind = dice.below(10)
    if kind < 4:
        return dice.pick(SMALL)
    if kind < 7:
        return dice.pick(NOUNS) + dice.pick(["", "", "s"])
    if kind < 9:
        return dice.pick(VERBS) + dice.pick(["", "ed", "ing", "s"])
    return dice.pick(ADJECTIVES) + dice.pick(["", "", "ly", "ness"])


def prose(dice, words):
    """Exactly `words` words between single spaces, in sentences with digits here and there."""
    out = []
    left_in_sentence = 0
    for i in range(words):
        w = str(dice.below(3000)) if dice.below(25) == 0 else word(dice)
        if left_in_sentence == 0:
            w = w.capitalize()
            left_in_sentence = 4 + dice.below(14)
        left_in_sentence -= 1
        if left_in_sentence == 0 or i == words - 1:
            w += dice.pick([".", ".", ".", "?", "!"])
            left_in_sentence = 0
        elif dice.below(12) == 0:
            w += dice.pick([",", ";", ":"])
        out.append(w)
    return " ".join(out)


def corpus():
    """The lines that the goldens' tokenizer is trained on."""
    dice = Dice(1)
    lines = [prose(dice, 40) for _ in range(1200)]
    lines += [line for line in SCRIPTS for _ in range(3)]
    lines += ["Question: %s?\nAnswer: %s\n\n" % (prose(dice, 6), word(dice)) for _ in range(60)]
    return lines


def control_noise(dice, count):
    """Characters of one byte that no tokenizer merges, so each becomes one token."""
    out = []
    while len(out) < count:
        c = chr(1 + dice.below(8))
        if out[-1:] != [c]:
            out.append(c)
    return "".join(out)


def pairs():
    """All pairs as (kind, instruction, response)."""
    dice = Dice(2)
    out = []

    def add(kind, a, b):
        out.append((kind, a, b))

    lengths = [(1, 1), (2, 1), (3, 2), (5, 3), (8, 1), (13, 5), (21, 2), (34, 13), (55, 1), (89, 4)]
    lengths += [(144, 8), (300, 3), (1, 2), (2, 9), (4, 30), (6, 120)]
    for a, b in lengths:
        add(f"prose of {a} and {b} words", prose(dice, a), prose(dice, b))

    add("both empty", "", "")
    add("empty instruction", "", "An answer without a question.")
    add("empty response", "Say nothing at all.", "")
    add("single spaces", " ", " ")
    add("only white space", "\n\n \t", "   ")

    add("700 words on the left", prose(dice, 700), "Yes, it does.")
    add("700 words on the right", "Tell a long story.", prose(dice, 700))
    add("700 words on both sides", prose(dice, 700), prose(dice, 700))
    add("700 words against 130", prose(dice, 700), prose(dice, 130))
    # With the four special tokens these come to a model's most tokens, and one more than that.
    add("512 tokens exactly", control_noise(dice, 500), control_noise(dice, 8))
    add("513 tokens", control_noise(dice, 9), control_noise(dice, 500))
    add("38 tokens exactly", control_noise(dice, 17), control_noise(dice, 17))
    add("39 tokens", control_noise(dice, 18), control_noise(dice, 17))
    add("40 tokens", control_noise(dice, 17), control_noise(dice, 19))

    add("Chinese", "请问老师在哪里读书?", SCRIPTS[0])
    add("Japanese", SCRIPTS[2] + SCRIPTS[3], "いいえ、写真はありません。")
    add("Korean", "Translate to Korean: bread and apples", SCRIPTS[4])
    add("rare ideographs", "𠮷野家の𩸽は旨い", "㐂")
    add("Arabic", SCRIPTS[6], "كانت الخدمة جيدة جدًّا.")
    add("Hebrew and directions", SCRIPTS[7], "\u202bימין\u202c \u200eleft\u200f")
    add("Devanagari and Thai", SCRIPTS[8], SCRIPTS[9])
    add("Cyrillic and Greek", SCRIPTS[10], SCRIPTS[11])
    add("umlauts and accents", SCRIPTS[12] + " " + SCRIPTS[13], SCRIPTS[14])
    add("composed against decomposed", "caf\u00e9 \u1e69 \uac00", "cafe\u0301 s\u0323\u0307 \u1100\u1161")
    add("emoji families", "Who is this? 👨‍👩‍👧‍👦👩🏽‍🚀", "🏳️‍🌈 🧑‍🤝‍🧑 ❤️‍🔥")
    add("emoji flags and keycaps", "🇧🇷🇯🇵 5️⃣#️⃣", "👍🏿👍🏻")

    add("NUL", "before\0after", "\0")
    add("byte order mark", "\ufeffRead this first.", "middle\ufeffmark")
    add("CRLF", "First line.\r\nSecond line.\r\n", "One\rtwo\r\n")
    add("line and paragraph separator", "One\u2028two", "\u2029three\u2028")
    add("leading newline", "\nIs the harbour north of the castle?", "\nNo")
    add("tabs and trailing spaces", "\tname\tprice  ", "  12.50 \u20ac   ")
    add("odd spaces", "non\u00a0breaking \u3000wide\u2009thin", "zero\u200bwidth\u00ad")
    add("edges of Unicode", "\ufffd\uffff\ue000", "\U0010ffff\U000e0001")
    add("contractions and digits", "We'll see what they've done, I'd say it's 1,234,567.89!", "DON'T'S")
    add("no spaces", "antidisestablishmentarianism" * 3, "https://example.org/a?b=c&d=%20#e")

    add("end token in text", "Stop here.</s>Go on.", "</s>")
    add("two end tokens", "A</s></s>B", "C</s> D")
    add("pad token in text", "<pad>Look <pad> at <pad><pad> this", "padded<pad>")
    add("nothing but pad tokens", "<pad><pad><pad>", "<pad> <pad>")
    add("many pad tokens", "<pad>" * 40 + " then words", prose(dice, 20))
    add("pad tokens that are cut", prose(dice, 10), "word <pad> " * 400)
    add("mask token in text", "The   <mask> barks.", "<mask>dog <mask>")
    add("start token in text", "<s>Begin", "again <s> and <s>")
    add("unknown token in text", "<unk> what?", "an <unk>known word")
    add("almost special tokens", "< s> <PAD> </ s> <mask", "<|endoftext|> [CLS] pad>")
    add("all special tokens", "<s><pad></s><unk><mask>", "<mask><unk></s><pad><s>")

    question = "Choose the topic of the text: sport, science, food or travel.\n\nText: %s\n\nTopic:"
    text = "The waiter brought warm bread, fresh cheese and a bitter coffee to our table."
    for label in ("sport", "science", "food", "travel", "Food.", "The topic is food", "", "cheese"):
        add("topic candidates", question % text, label)
    question = "Review: the plot was boring, but the ending was wonderful. Would you watch it again?"
    for answer in (
        "Yes",
        "No",
        "Yes, because the ending was wonderful.",
        "No, never: a boring plot is a boring film.",
        "The ticket was expensive.",
        "yes",
    ):
        add("review candidates", question, answer)

    assert len(out) >= 64
    assert len(set((a, b) for _, a, b in out)) == len(out), "a pair stands twice"
    return out


if __name__ == "__main__":
    for kind, group in itertools.groupby(pairs(), key=lambda p: p[0]):
        print(len(list(group)), kind)
