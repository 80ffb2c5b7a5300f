"""Families about the wording of a short text: how it sounds, how somebody feels, which kind of sentence it is."""

from .core import cap, family
from .words import DOINGS, NAMES, lines, w

GOOD = w("""wonderful great lovely excellent fantastic delicious friendly superb charming perfect amazing brilliant
beautiful comfortable helpful pleasant delightful outstanding marvellous enjoyable impressive tasty clean kind
fresh reliable fun good nice awesome terrific splendid gorgeous magnificent cosy generous warm""")
BAD = w("""awful terrible horrible disgusting rude dirty boring disappointing dreadful poor cold broken noisy useless slow
unfriendly bland stale overpriced ugly uncomfortable annoying worst bad nasty careless cheap lousy mediocre
unpleasant tasteless faulty filthy pathetic dull unhelpful""")
DOMAINS = {
    "restaurant": w("food staff service soup waiter menu dessert kitchen pizza dinner coffee breakfast"),
    "hotel": w("room bed pool view reception staff location breakfast bathroom service"),
    "film": w("plot acting music story cast ending dialogue script movie film director"),
    "phone": w("battery screen camera sound speaker design keyboard charger product"),
    "book": w("story characters writing ending plot language chapters cover author"),
    "shop": w("service staff prices delivery quality selection packaging product"),
}
GOOD_END = lines("""
I loved it.
I will come back.
Highly recommended.
We enjoyed every minute.
Worth every penny.
I would buy it again.
Five stars from me.
I am very happy with it.
Everyone was smiling.
We had a great time.
I could not be happier.
Thank you so much!
It made my day.
Best I have ever had.
""")
BAD_END = lines("""
I hated it.
Never again.
What a waste of money.
I want my money back.
We left early.
I would not recommend it.
One star is too much.
I am very unhappy with it.
It broke after a day.
Do not go there.
I was so disappointed.
We will not come back.
Avoid this place.
It ruined our evening.
""")
HOW = ["", "", "", "very ", "really ", "so ", "absolutely ", "quite "]


def review(r, good):
    words = GOOD if good else BAD
    d = r.choice(list(DOMAINS))
    one, two = r.sample(DOMAINS[d], 2)
    x, y = r.sample(words, 2)
    verb = lambda n: "were" if n in ("staff", "prices", "characters", "chapters") else "was"
    parts = [
        f"The {one} {verb(one)} {r.choice(HOW)}{x} and the {two} {verb(two)} {y}.",
        f"The {one} {verb(one)} {r.choice(HOW)}{x}.",
        f"{cap(r.choice(HOW) + x)} {one}, {y} {two}.",
        f"I found the {one} {x}.",
        f"This is {'an' if x[0] in 'aeiou' else 'a'} {x} {d}." if x != "worst" else f"This is the worst {d}.",
        f"The {one} {verb(one)} not {r.choice(BAD if good else GOOD)} at all.",
        f"My {d} visit: {x} {one}.", f"What {'an' if x[0] in 'aeiou' else 'a'} {x} {one}!",
        f"The {one} {verb(one)} {x}, but the {two} {verb(two)} even {'better' if good else 'worse'}.",
    ]
    text = r.choice(parts)
    if r.random() < 0.45:
        end = r.choice(GOOD_END if good else BAD_END)
        text = text + " " + end if r.random() < 0.8 else end + " " + text
    return text


@family("sentiment", [
    ("Is the sentiment of this review positive or negative? Review: {text}", "pn"),
    ("Is this review positive or negative?\n{text}", "pn"), ("{text}\nSentiment:", "pn"),
    ("Classify the sentiment of the text as positive or negative.\n\n{text}", "pn"),
    ("Review: {text} Question: is the writer positive or negative?", "pn"),
    ("Tell me whether this opinion is positive or negative: \"{text}\"", "pn"),
    ("What is the sentiment expressed here? {text}", "pn"), ("{text} Did the customer like it?", "yn"),
    ("{text}\nWas the writer happy with it? Answer yes or no.", "yn"), ("A customer wrote: {text} Is the customer satisfied?", "yn"),
    ("How does this reviewer feel, good or bad? {text}", "gb"), ("Good or bad review? {text}", "gb"),
    ("Text: {text}\nLabel the text as good or bad.", "gb"), ("Would this person recommend it? {text}", "yn"),
    ("Did this person hate it? {text}", "ny"), ("Is the following a complaint or praise? {text}", "cp"),
    ("{text} Is that a complaint or praise?", "cp"), ("Sentiment analysis. Input: {text} Output:", "pn"),
    ("Somebody posted: {text}\nIs this positive or negative?", "pn"), ("Does the author of this text like it? {text}", "yn")],
    weight=3.0)
def sentiment(r, tag):
    good = r.random() < 0.5
    pair = {"pn": ("positive", "negative"), "yn": ("yes", "no"), "ny": ("no", "yes"), "gb": ("good", "bad"),
            "cp": ("praise", "complaint")}[tag]
    forms = {"pn": ["The review is {}.", "The sentiment is {}.", "This is a {} review.", "It is {}."],
             "gb": ["It is a {} review.", "The review is {}."]}.get(tag, [])
    return {"text": review(r, good)}, [pair[not good]], [pair[good]], {"forms": forms}


@family("star rating", [
    "How many stars did this reviewer give? {text}", "Guess the star rating: {text}", "{text}\nStars:",
    "Rate this review from 1 to 5 stars: {text}", "Predict the number of stars for this review. {text}",
    "Review: {text}\nRating:", "If this were a rating with stars, what would it be? {text}",
    "Which star rating goes with the text? {text}", "{text} How many stars?", "Turn this opinion into a star rating: {text}",
    "What rating would the author of this text choose? {text}"], weight=0.8)
def stars(r, tag):
    good = r.random() < 0.5
    high, low = r.choice([("5 stars", "1 star"), ("five stars", "one star"), ("5 out of 5", "1 out of 5")])
    return {"text": review(r, good)}, [high if good else low], [low if good else high], {"forms": []}


FEELINGS = {
    "happy": ["{n} won the race.", "{n} got a lovely present.", "{n} smiles and sings.", "{n} passed the exam.",
              "{n} is laughing with friends.", "{n} got good news today.", "{n} dances around the room.", "{n} won a prize."],
    "sad": ["{n} lost the dog and cries.", "{n} has tears in the eyes.", "{n} misses an old friend.", "{n} said goodbye to the family.",
            "{n} failed the exam and weeps.", "{n}'s cat died.", "{n} sits alone and cries.", "{n} got bad news."],
    "angry": ["{n} shouts and slams the door.", "{n} was insulted.", "Somebody scratched {n}'s car.", "{n} yells at the driver.",
              "{n} clenches both fists.", "{n} was cheated by the shop.", "{n} throws the phone at the wall.", "{n} was blamed for nothing."],
    "afraid": ["{n} hides from the big dog.", "{n} hears a strange noise at night.", "{n} trembles in the dark.",
               "{n} sees a snake and runs away.", "{n} screams because of a ghost.", "{n} dares not go into the cellar.",
               "{n} is hiding under the bed.", "{n} shakes before the dangerous jump."],
    "tired": ["{n} did not sleep last night.", "{n} yawns all the time.", "{n} worked for twenty hours.", "{n} can hardly keep awake.",
              "{n} wants to go to bed.", "{n} falls asleep at the desk.", "{n} ran all day and needs a rest.", "{n} yawned and went to bed."],
    "hungry": ["{n} has not eaten since yesterday.", "{n}'s stomach rumbles.", "{n} wants lunch right now.", "{n} skipped breakfast and dinner.",
               "{n} looks for something to eat.", "{n} could eat three pizzas.", "{n} dreams of a big meal.", "{n} asks when dinner is ready."],
}


@family("feelings", [
    "{text} How does {n} feel?", "How is {n} feeling? {text}", "{text} Which word describes {n}: {options}?",
    "Read: {text} Is {n} {options}?", "{text}\nEmotion of {n}:", "Name the feeling. {text}", "What does {n} feel here? {text}",
    "{text} Describe {n}'s mood in a word.", "Which emotion fits this story? {text}", "Choose the feeling: {options}. Story: {text}",
    "{text} So {n} is probably", "Which feeling does {n} have? {text}", "{text} Tell me how {n} feels."], weight=1.5)
def feelings(r, tag):
    right = r.choice(list(FEELINGS))
    n = r.choice(NAMES)
    return ({"text": r.choice(FEELINGS[right]).format(n=n), "n": n}, [right], r.sample([f for f in FEELINGS if f != right], 4),
            {"forms": [n + " is {}.", n + " feels {}.", "{}"]})


def sentence(r, kind):
    n = r.choice(NAMES)
    past, pres, objs = r.choice(DOINGS)
    o = r.choice(objs)
    base = {"paint": "paint"}.get(pres, pres[:-2] if pres.endswith(("shes", "xes")) else
                                  pres[:-3] + "y" if pres.endswith("ies") else pres[:-1])
    return {
        "statement": r.choice([f"{n} {past} {o}.", f"{n} {pres} {o} every week.", f"They {base} {o}."]),
        "question": r.choice([f"Who {past} {o}?", f"Did {n} {base} {o}?", f"When will {n} {base} {o}?", f"Why did you {base} {o}?"]),
        "command": r.choice([f"{cap(base)} {o}!", f"Please {base} {o}.", f"{cap(base)} {o} before noon.", f"Do not {base} {o}!"]),
        "past": r.choice([f"{n} {past} {o}.", f"Last week {n} {past} {o}.", f"{n} {past} {o} yesterday."]),
        "present": r.choice([f"{n} {pres} {o}.", f"{n} {pres} {o} every day.", f"Today {n} {pres} {o}."]),
        "future": r.choice([f"{n} will {base} {o}.", f"Tomorrow {n} will {base} {o}.", f"{n} is going to {base} {o}."]),
    }[kind]


@family("kind of sentence", [
    "Is this a question, a statement or a command? {text}", "{text}\nQuestion, command or statement?", "What kind of sentence is this: {text}",
    "Classify the sentence as statement, question or command: {text}", "Sentence: \"{text}\" Type:", "Name the type of the sentence. {text}",
    "Does somebody ask, tell or order? {text}", "Which type of sentence is \"{text}\"?", "Label this as question, statement or command. {text}",
    "{text} What sort of sentence did I just write?", "Determine the sentence type: {text}"])
def sentence_kind(r, tag):
    kinds = ["statement", "question", "command"]
    right = r.choice(kinds)
    return {"text": sentence(r, right)}, [right], [k for k in kinds if k != right], {"forms": ["It is a {}.", "This is a {}."]}


@family("tense", [
    "Is this in the past, present or future? {text}", "{text}\nTense:", "Which tense is used: {text}", "When does this happen: past, present or future? {text}",
    "Name the tense of the sentence \"{text}\".", "Tense of the verb in: {text}", "Decide between past, present and future. {text}",
    "Classify by tense: {text}", "Does the sentence talk about the past, the present or the future? {text}",
    "{text} Past, present or future?", "In which tense is this written? {text}"])
def tense(r, tag):
    kinds = ["past", "present", "future"]
    right = r.choice(kinds)
    return {"text": sentence(r, right)}, [right], [k for k in kinds if k != right], {"forms": ["It is the {}.", "The tense is {}."]}


SPAM = ["You have won {m} dollars! Click here now!", "Congratulations, you are our lucky winner. Send us your bank details.",
        "Cheap watches, {m} percent off, buy now!!!", "Make {m} dollars a day from home, no work needed.", "URGENT: your account is locked, enter your password here.",
        "FREE prize! Call this number now to claim {m} dollars.", "Lose {m} pounds in a week with this secret pill!",
        "Dear friend, I am a prince and need your help to move {m} million dollars.", "Claim your free voucher of {m} dollars today!"]
HAM = ["Hi {n}, are we still meeting at {h}?", "Can you bring milk on your way home?", "The report is due at {h}, please send it to {n}.",
       "Happy birthday, {n}! See you tonight.", "Mum, I missed the bus and will be late.", "Thanks for dinner, {n}. It was lovely.",
       "The team meeting moves to {h}.", "{n}, your parcel is at our neighbour's.", "I will call you at {h} after work."]


@family("spam", [
    "Is this message spam? {text}", "Spam or not spam? {text}", "{text}\nIs that spam? Answer yes or no.", "Should my mail filter stop this message? {text}",
    "I got this text: \"{text}\" Is it spam?", "Decide if the e-mail is unwanted advertising: {text}", "Message: {text}\nSpam:",
    "Is the following e-mail junk? {text}", "Someone sent me: {text} Is this a scam?", "Check for spam. Message: {text}",
    "Can this message be a scam? {text}", "Is it junk mail? {text}"], weight=0.8)
def spam(r, tag):
    bad = r.random() < 0.5
    text = r.choice(SPAM if bad else HAM).format(m=r.choice([50, 90, 100, 500, 1000]), n=r.choice(NAMES), h=r.choice(["noon", "six", "nine", "3 pm"]))
    yes, no = r.choice([("yes", "no"), ("spam", "not spam"), ("Yes, it is spam.", "No, it is a normal message.")])
    return {"text": text}, [yes if bad else no], [no if bad else yes], {"forms": []}


FORMAL = ["Dear {n}, I would like to enquire about the position.", "We kindly ask you to confirm your attendance.", "I am writing to thank you for your letter.",
          "Please do not hesitate to contact us, Mr. {n}.", "It would be appreciated if you replied by Friday.", "Yours sincerely, {n}",
          "We regret to inform you of the delay."]
CASUAL = ["hey {n}, what's up?", "lol that was so cool dude", "gonna grab a bite, wanna come?", "yo {n}, u there??", "nah, can't be bothered tbh",
          "omg {n} you gotta see this", "cya later mate!"]


@family("formal or casual", [
    "Is this formal or casual? {text}", "{text}\nFormal or casual?", "What is the tone of this message, formal or casual? {text}",
    "Register of the text (formal, casual): {text}", "How would you describe the style, formal or casual? {text}", "Tone: formal or casual? \"{text}\"",
    "Label the style of this sentence as formal or casual: {text}", "Is the writer being formal or casual here? {text}",
    "Would you call this formal or casual? {text}", "Style check. {text} Formal or casual:", "Choose formal or casual for: {text}"], weight=0.6)
def formal(r, tag):
    yes = r.random() < 0.5
    text = r.choice(FORMAL if yes else CASUAL).format(n=r.choice(NAMES)) + r.choice(["", "", " " + r.choice(["Best regards", "Kind regards"] if yes else ["haha", "xx"])])
    return {"text": text}, ["formal" if yes else "casual"], ["casual" if yes else "formal"], {"forms": ["It is {}.", "The tone is {}."]}


FOREIGN = {
    "French": w("le la les un une est dans avec maison chat je nous vous petit grand très pour elle mange jardin"),
    "Spanish": w("el la los una es en con casa gato yo nosotros usted pequeño grande muy para ella come jardín"),
    "German": w("der die das ein ist in mit Haus Katze ich wir Sie klein groß sehr für sie isst Garten und"),
    "English": w("the a is in with house cat I we you small big very for she eats garden and this of"),
    "Italian": w("il la gli una è nel con casa gatto io noi voi piccolo grande molto per lei mangia giardino"),
}


@family("which language", [
    "Which language is this? {text}", "What language is this text written in: {text}", "{text}\nLanguage:", "Detect the language: {text}",
    "Name the language of \"{text}\".", "In which language is the following? {text}", "Is this {options}? {text}", "Identify the language of this line. {text}",
    "Can you recognise the language? {text}", "The text \"{text}\" is written in", "Someone said: {text} Which language was that?",
    "Tell me the language of: {text}"], weight=0.8)
def language(r, tag):
    right = r.choice(list(FOREIGN))
    return ({"text": " ".join(r.sample(FOREIGN[right], r.randint(4, 7)))}, [right], [x for x in FOREIGN if x != right],
            {"forms": ["It is {}.", "The language is {}.", "This is {}."]})
