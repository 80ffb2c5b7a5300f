"""Topic labelling: news articles in the PromptSource wording, and everyday texts."""

from .core import cap, family
from .words import NAMES, lines, w

NEWS = {
    "World politics": (
        lines("""
president
prime minister
foreign minister
rebels
troops
parliament
government
opposition leader
United Nations
soldiers
ambassador
voters
militants
peace talks
embassy
refugees
border guards
the White House
election officials
protesters
"""),
        lines("""
{who} rejects peace plan
{place} votes in key election
Blast kills {n} near {place}
{who} calls for talks on {place}
Troops leave {place} after attack
{who} and {who2} meet over nuclear crisis
Protesters march against government in {place}
Bomb attack wounds {n} in {place}
{who} resigns after vote
Hostages freed in {place}
"""),
        lines("""
The {who} said on {day} that the war in {place} must end.
At least {n} people were killed in an attack on a police station in {place}, officials said.
{place} held its first free election on {day} as soldiers guarded the polls.
The {who} met the {who2} to discuss a treaty and the violence in {place}.
Rebels and government forces agreed to a ceasefire, the {who} said.
Iraqi, Israeli and Palestinian leaders were urged by the {who} to resume peace talks.
The parliament passed a law on asylum after a long debate about refugees.
""")),
    "Sports": (
        lines("""
striker
coach
captain
quarterback
goalkeeper
defending champion
midfielder
Olympic team
pitcher
home team
tennis star
rookie
league leaders
the Yankees
the Red Sox
Manchester United
golfer
sprinter
"""),
        lines("""
{who} wins in overtime
{place} beats {place2} {n}-2 in final
{who} out for season with knee injury
{who} takes gold medal at Olympics
{place} coach praises {who}
{who} signs new contract with club
Late goal lifts {place} over {place2}
{who} hits two home runs
Champion reaches semifinal in {place}
{who} scores twice in cup match
"""),
        lines("""
The {who} scored in the last minute to win the match against {place}.
{place} beat {place2} on {day} night to reach the playoffs of the league.
The {who} will miss {n} games with an injury, the team said.
The {who} threw a touchdown pass in the fourth quarter of the game.
The tournament in {place} was won by the {who} in straight sets.
Fans cheered as the {who} finished the race in record time and took the medal.
It was the third victory of the season for the {who} and the team.
""")),
    "Business": (
        lines("""
oil prices
shares
stocks
bank
retailer
airline
investors
private equity firm
central bank
carmaker
chief executive
investment firm
insurer
Wall Street
the Federal Reserve
the dollar
steel maker
hedge fund
consumer group
drug maker
"""),
        lines("""
{who} fall on profit warning
{who} to buy rival for ${n} billion
{who} rises after earnings report
{who} eyes new market
Jobs data lift {who}
{who} cuts {n} jobs
Trade deficit weighs on {who}
{who} posts record quarterly profit
Takeover bid for {who}
Economy grows, inflation worries {who}
"""),
        lines("""
The {who} said quarterly profit rose {n} percent on strong sales.
Shares of the company fell on {day} after the {who} warned of weak demand.
The {who} moved into a new market to earn more, analysts said.
The {who} agreed to a merger worth ${n} million, a bid for a bigger share of the industry.
Oil prices climbed to a new high, raising costs for the economy and for the {who}.
The {who} raised interest rates by a quarter point because of inflation.
The private firm, known in the aircraft and defense industry, will sell bonds to investors, the {who} said.
""")),
    "Science and technology": (
        lines("""
scientists
NASA
spacecraft
software maker
researchers
Microsoft
Google
astronomers
search engine
chip maker
internet users
hackers
biologists
Apple
mobile phones
video game
computer virus
telescope
web browser
space station
"""),
        lines("""
{who} discover new planet
New version of {who} software released
{who} launches probe to Mars
Virus attacks {who}
{who} find fossil of early bird
{who} unveils faster chip
Online music service from {who}
{who} fixes security hole in Windows
{who} study warming of the oceans
Robot helps {who}
"""),
        lines("""
The {who} released a new version of its operating system for computers on {day}.
The {who} found a gene that may explain how cells grow.
A rocket carrying the {who} was launched into orbit, and the telescope will study distant stars.
The {who} warned of a flaw that lets hackers steal passwords from a browser.
A study by the {who} shows that the ice of the planet melts faster.
The wireless network lets the {who} download data and e-mail on laptops.
The {who} showed a robot that learns from digital images.
""")),
}
SOURCES = ["(Reuters)", "(AP)", "(AFP)", "", "", "(SPACE.com)", "(USATODAY.com)"]
PLACES = w("Baghdad London Boston Russia China Iraq Chicago India Germany Israel Italy Brazil Tokyo Spain Canada France Texas Athens Cuba Sudan")
DAYS = w("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")


def article(r, topic):
    who, heads, bodies = NEWS[topic]
    fill = {"who": r.choice(who), "who2": r.choice(who), "n": r.choice([3, 5, 7, 10, 12, 20, 40]), "day": r.choice(DAYS)}
    fill["place"], fill["place2"] = r.sample(PLACES, 2)
    fix = lambda s: s.replace("The the ", "The ").replace("the the ", "the ")
    head = cap(r.choice(heads).format(**fill))
    if r.random() < 0.4:
        head = " ".join(cap(x) for x in head.split())
    body = fix(r.choice(bodies).format(**fill))
    src = r.choice(SOURCES)
    kind = r.random()
    if kind < 0.2:
        return body
    if kind < 0.35:
        return head
    lead = f" {src} {src.strip('()')} -" if src else r.choice([".", " -", ":"])
    if r.random() < 0.15:
        body = body.replace(", ", ",\\")
    return f"{head}{lead} {body}"


@family("news topic", [
    "Which label best describes this news article?\n{text}",
    "What label best describes this news article?\n{text}",
    "Is this a piece of news regarding world politics, sports, business, or science and technology?\n{text}",
    "{text}\nIs this a piece of news regarding world politics, sports, business, or science and technology?",
    "Would you recommend the following article to a politician, an athlete, a business executive, or a scientist?\n{text}",
    "{text}\nWhich section of a newspaper would this article likely appear in?",
    "{text}\nWhich of the following sections of a newspaper would this article likely appear in? World News, Sports, Business, or Science and Technology?",
    "What's this news article about? World politics, sports, business, or science and technology?\n{text}",
    "Give the topic of this article.\n\n{text}", "Topic of the news: {text}", "Classify the news text: {text}",
    "Article: {text}\nCategory:", "Label the article as World politics, Sports, Business or Science and technology: {text}",
    "Choose the section for this story: {text}", "News: {text}\nWhat is the topic?"], weight=3.0)
def news(r, tag):
    labels = list(NEWS)
    right = r.choice(labels)
    return {"text": article(r, right)}, [right], [x for x in labels if x != right], {"forms": ["The article is about {}.", "It is {} news.", "The label is {}."]}


TOPICS = {
    "cooking": w("soup oven butter flour recipe onion boil pan salt fry dough pepper sauce bake garlic stir"),
    "travel": w("hotel flight suitcase passport beach ticket airport holiday tourist luggage map island cruise visa"),
    "music": w("guitar song concert band singer piano drum melody album choir violin orchestra tune stage"),
    "weather": w("rain snow wind cloud storm sunny temperature fog thunder forecast hail degrees frost breeze"),
    "health": w("doctor fever pill hospital cough nurse pain medicine headache surgery flu patient bandage diet"),
    "gardening": w("plant seed soil rose flower weed lawn spade water tomato hedge compost bulb pot"),
    "money": w("bank loan tax salary price credit cash savings debt rent budget invoice interest wallet"),
    "school": w("teacher exam pupil lesson homework class maths student grade textbook essay desk chalk timetable"),
    "cars": w("engine tyre driver petrol brake garage wheel motor gear fuel steering mileage bumper clutch"),
    "pets": w("dog cat leash puppy fur kitten vet bowl hamster bark cage paw collar aquarium"),
}
FRAMES = lines("""
The {0} and the {1} were ready, but we forgot the {2}.
I have a question about the {0} and the {1}.
She talked about the {0} for an hour, then about the {1}.
My {0} needs a new {1}.
We looked for the {0}, the {1} and the {2}.
First comes the {0}, then the {1}.
Nobody mentioned the {0}, but the {1} was on everyone's mind.
{n} bought a book about the {0} and the {1}.
How do I choose the right {0} and {1}?
""")


@family("everyday topic", [
    "What is this text about? {text}", "{text}\nTopic:", "Choose the topic of the sentence: {options}.\n{text}", "Which subject does this belong to: {text}",
    "Is the text about {options}? {text}", "Give a one word topic for: {text}", "Sort this message into a folder. {text} Folder:",
    "In which forum should I post this? \"{text}\"", "{text} What is the main subject?", "Label the text with its topic. {text}",
    "Tag this note with a topic: {text}", "Name the theme of the following sentence. {text}"], weight=2.0)
def everyday(r, tag):
    right = r.choice(list(TOPICS))
    text = r.choice(FRAMES).format(*r.sample(TOPICS[right], 3), n=r.choice(NAMES))
    return {"text": text}, [right], r.sample([x for x in TOPICS if x != right], 5), {"forms": ["It is about {}.", "The topic is {}.", "The text is about {}."]}
