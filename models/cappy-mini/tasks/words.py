"""Word lists that the task families fill their wordings with."""


def w(text):
    return text.split()


def lines(text):
    return [x.strip() for x in text.strip().splitlines()]


def items(text):
    """Entries with a semicolon between them."""
    return [x.strip() for x in text.strip().split(";")]


NAMES = w("""Anna Tom Maria Peter Lucy David Emma Jack Sara Paul Nina Mark Julia Ben Laura Sam Alice Leo Clara
Omar Grace Felix Ruth Ivan Mia Hugo Ella Max Rosa Adam Nora Oscar Lena Carl Amy Victor Kate Simon Eva George
Helen Daniel Irene Martin Sofia Robert Jane Frank Diana Henry Yusuf Priya Chen Aisha Kofi""")

# animal, sound verb, size rank (1 smallest), legs, kind
ANIMALS = {k: (s, int(z), kind) for k, s, z, kind in (x.split() for x in items("""
dog barks 5 mammal; cat meows 4 mammal; cow moos 8 mammal; horse neighs 8 mammal; pig oinks 6 mammal;
sheep bleats 6 mammal; lion roars 7 mammal; wolf howls 6 mammal; mouse squeaks 2 mammal; duck quacks 4 bird;
owl hoots 3 bird; rooster crows 4 bird; crow caws 3 bird; snake hisses 4 reptile; frog croaks 2 amphibian;
bee buzzes 1 insect; donkey brays 7 mammal; lamb baas 5 mammal; elephant trumpets 10 mammal; goose honks 4 bird
"""))}
MORE_ANIMALS = w("fox bear rabbit goat monkey tiger deer turtle parrot hen squirrel whale camel otter hedgehog")
SIZES = w("""ant bee ladybird snail mouse frog sparrow squirrel rabbit cat fox dog sheep pig lion donkey horse cow
hippo giraffe elephant whale""")
THINGS_BY_SIZE = w("pea grape walnut egg orange melon bucket chair table sofa car bus house church castle mountain")

CATEGORIES = {
    "fruit": w("apple banana orange pear cherry grape peach plum mango lemon melon strawberry"),
    "vegetable": w("carrot potato onion cabbage spinach lettuce pea cucumber pumpkin leek radish celery"),
    "animal": w("dog cat horse cow lion tiger elephant rabbit fox bear sheep monkey"),
    "bird": w("eagle sparrow owl duck parrot pigeon swan robin crow penguin falcon seagull"),
    "colour": w("red blue green yellow purple orange brown pink grey black white turquoise"),
    "vehicle": w("car bus train bicycle lorry motorbike tram truck van scooter taxi ambulance"),
    "tool": w("hammer saw screwdriver drill wrench pliers spade axe rake ladder chisel shovel"),
    "drink": w("water milk coffee tea juice lemonade beer wine cocoa cider soda whisky"),
    "country": w("France Germany Spain Italy Japan China Brazil Canada Egypt Kenya India Norway"),
    "instrument": w("piano guitar violin flute drum trumpet harp cello organ clarinet saxophone banjo"),
    "sport": w("football tennis basketball hockey rugby swimming golf cricket baseball boxing skiing volleyball"),
    "furniture": w("table chair sofa bed desk wardrobe shelf bench cupboard stool armchair bookcase"),
    "flower": w("rose tulip daisy lily daffodil sunflower orchid violet poppy carnation iris lavender"),
    "metal": w("iron gold silver copper tin lead zinc aluminium steel nickel bronze platinum"),
    "clothing": w("shirt trousers coat hat scarf jacket sock glove dress skirt jumper boot"),
    "profession": w("doctor teacher nurse baker lawyer farmer engineer carpenter plumber pilot chef tailor"),
    "body part": w("arm leg hand foot nose ear knee elbow shoulder finger neck chin"),
    "insect": w("ant bee wasp fly beetle moth butterfly mosquito grasshopper cricket ladybird dragonfly"),
}

CAPITALS = dict(x.split(" = ") for x in items("""
France = Paris; Germany = Berlin; Spain = Madrid; Italy = Rome; Portugal = Lisbon; England = London;
Ireland = Dublin; Greece = Athens; Norway = Oslo; Sweden = Stockholm; Denmark = Copenhagen; Finland = Helsinki;
Poland = Warsaw; Austria = Vienna; Hungary = Budapest; Russia = Moscow; Japan = Tokyo; China = Beijing;
India = New Delhi; Egypt = Cairo; Kenya = Nairobi; Canada = Ottawa; Mexico = Mexico City; Brazil = Brasilia;
Argentina = Buenos Aires; Peru = Lima; Chile = Santiago; Cuba = Havana; Turkey = Ankara; Iran = Tehran;
Iraq = Baghdad; Thailand = Bangkok; Vietnam = Hanoi; Australia = Canberra; Belgium = Brussels; Switzerland = Bern;
Czechia = Prague; Ukraine = Kyiv; Netherlands = Amsterdam; Morocco = Rabat
"""))

COLOUR_OF = dict(x.split() for x in items("""
grass green; snow white; blood red; lemon yellow; banana yellow; coal black; milk white; carrot orange; tomato red;
sky blue; spinach green; strawberry red; chocolate brown; night black; sun yellow; pumpkin orange; leaf green;
soil brown; sea blue; cucumber green; cherry red; salt white; frog green; lettuce green; flour white
"""))

OPPOSITES = [tuple(x.split()) for x in items("""
hot cold; big small; fast slow; high low; open closed; happy sad; old young; rich poor; hard soft; light dark;
wet dry; full empty; early late; strong weak; long short; loud quiet; clean dirty; near far; thick thin; heavy light;
good bad; right wrong; true false; safe dangerous; sweet sour; wide narrow; deep shallow; up down; left right;
inside outside; before after; first last; always never; day night; love hate; buy sell; win lose; start finish;
push pull; give take; begin end; arrive leave; rise fall; laugh cry; remember forget; friend enemy; easy difficult;
cheap expensive; brave afraid; noisy silent; smooth rough; tall short; north south; east west; awake asleep;
alive dead; beautiful ugly; polite rude
""")]

SYNONYMS = [tuple(x.split()) for x in items("""
big large; small little; happy glad; fast quick; start begin; shut close; smart clever; angry furious; tired sleepy;
scared afraid; rich wealthy; ill sick; buy purchase; help assist; speak talk; choose pick; mend repair; odd strange;
quiet silent; gift present; road street; boat ship; stone rock; child kid
""")]

# A tiny phrase table: English, French, Spanish, German.
PHRASES = [tuple(p.strip() for p in x.split("|")) for x in lines("""
hello | bonjour | hola | hallo
thank you | merci | gracias | danke
please | s'il vous plaît | por favor | bitte
yes | oui | sí | ja
no | non | no | nein
good night | bonne nuit | buenas noches | gute Nacht
goodbye | au revoir | adiós | auf Wiedersehen
the house | la maison | la casa | das Haus
the dog | le chien | el perro | der Hund
the cat | le chat | el gato | die Katze
the book | le livre | el libro | das Buch
the water | l'eau | el agua | das Wasser
the bread | le pain | el pan | das Brot
the milk | le lait | la leche | die Milch
the sun | le soleil | el sol | die Sonne
the moon | la lune | la luna | der Mond
the tree | l'arbre | el árbol | der Baum
the school | l'école | la escuela | die Schule
the friend | l'ami | el amigo | der Freund
red | rouge | rojo | rot
green | vert | verde | grün
big | grand | grande | groß
small | petit | pequeño | klein
one | un | uno | eins
two | deux | dos | zwei
three | trois | tres | drei
I am tired | je suis fatigué | estoy cansado | ich bin müde
where is the station? | où est la gare ? | ¿dónde está la estación? | wo ist der Bahnhof?
how are you? | comment allez-vous ? | ¿cómo estás? | wie geht es dir?
I am hungry | j'ai faim | tengo hambre | ich habe Hunger
""")]
LANGUAGES = ["English", "French", "Spanish", "German"]

RHYMES = [w(x) for x in items("""
cat hat bat mat rat; dog log fog frog; light night bright fight right; day play say way grey;
ring king sing thing wing; blue shoe two new; tree see free bee knee; boat coat goat note; cake lake snake make;
moon spoon soon noon; bell well tell shell; rain train chain plane; house mouse blouse; red bed head bread;
ball wall tall fall; star car far jar; fish dish wish; door floor four more
""")]

PLURALS = dict(x.split() for x in items("""
mouse mice; child children; foot feet; tooth teeth; man men; woman women; goose geese; leaf leaves; knife knives;
city cities; baby babies; box boxes; bus buses; dog dogs; book books; tree trees; house houses; wolf wolves;
person people; sheep sheep; story stories; potato potatoes
"""))

PAST = dict(x.split() for x in items("""
go went; eat ate; see saw; take took; give gave; run ran; buy bought; think thought; write wrote; drink drank;
sing sang; swim swam; come came; find found; make made; know knew; speak spoke; drive drove; sleep slept;
teach taught; walk walked; play played; jump jumped; cook cooked; break broke; fly flew; begin began; bring brought
"""))

USED_FOR = dict(x.split(" = ") for x in items("""
cut bread = a knife; write a letter = a pen; open a locked door = a key; hit a nail = a hammer;
sweep the floor = a broom; dry your hands = a towel; eat soup = a spoon; tell the time = a clock;
take a photo = a camera; stay dry in the rain = an umbrella; brush your hair = a comb; cross a river = a bridge;
dig a hole = a spade; call a friend = a phone; light a dark room = a lamp; boil water = a kettle;
sew a button = a needle; wash your hands = soap; climb onto the roof = a ladder; send a parcel = a box;
measure a table = a ruler; paint a wall = a brush; sleep well = a bed; keep food cold = a fridge;
cut paper = scissors; bake a cake = an oven; carry your shopping = a bag; see things far away = a telescope
"""))

OBJECTS = w("""key book ball cup hat lamp letter coat phone bag spoon clock box camera towel plate pen basket bottle
blanket guitar ring map shoe candle mirror apple ticket""")
ROOMS = w("kitchen garden bedroom garage bathroom cellar attic hall office school library park shop station barn")
PLACES = ["on the table", "under the bed", "in the drawer", "behind the door", "on the roof", "in the garden",
          "in the box", "on the chair", "near the window", "in the kitchen", "under the tree", "by the river",
          "in the car", "on the shelf", "in the cellar", "on the bridge"]
CITIES = w("""Paris London Berlin Rome Madrid Oslo Vienna Lisbon Tokyo Cairo Boston Chicago Dublin Prague Athens Warsaw
Lima Sydney Toronto Bergen Milan Geneva Hamburg Seville""")
DAYS = w("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = w("January February March April May June July August September October November December")
ADJECTIVES = w("old young red blue small big quiet happy tired clever little brave kind grey lazy tall")
# verb in the past, in the third person, and the participle, with fitting objects
DOINGS = [tuple(p.strip() for p in x.split("|")) for x in lines("""
baked | bakes | a cake, some bread, a pie, the biscuits
fixed | fixes | the bike, the roof, a clock, the radio
bought | buys | a lamp, new shoes, a ticket, the red car
painted | paints | the fence, a picture, the wall, the old boat
lost | loses | the keys, a glove, the map, a ring
found | finds | a coin, the cat, the letter, an old book
cleaned | cleans | the kitchen, the windows, the car, the stove
wrote | writes | a letter, a poem, the report, a long story
sold | sells | the house, some flowers, the bicycle, fresh fish
carried | carries | the boxes, a ladder, the suitcase, the baby
washed | washes | the dishes, the dog, the shirts, the floor
planted | plants | a tree, some roses, the beans, three bulbs
read | reads | the newspaper, a novel, the menu, the contract
broke | breaks | a cup, the window, the mirror, a plate
visited | visits | the museum, a friend, the castle, the doctor
cooked | cooks | the soup, some rice, the fish, dinner
""")]
DOINGS = [(p, s, [o.strip() for o in obj.split(",")]) for p, s, obj in DOINGS]

ONES = w("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
         "seventeen eighteen nineteen")
TENS = w("- - twenty thirty forty fifty sixty seventy eighty ninety")


def number_words(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")
    rest = n % 100
    return ONES[n // 100] + " hundred" + (" and " + number_words(rest) if rest else "")


OFF_TOPIC = lines("""
I like trains.
The weather is nice today.
My favourite colour is purple.
Hello there!
I don't know.
Sorry, I cannot help with that.
The train leaves at noon.
Cats sleep most of the day.
Please close the window.
Mix the flour with the butter.
She plays the piano every evening.
We went to the beach last summer.
Turn left at the next corner.
The shop opens at nine.
Lemons are sour.
Who are you?
I had soup for lunch.
There is a spider in the bath.
My brother works in a bank.
Football is played with a ball.
Thank you for your order.
The meeting was moved to Friday.
Goats eat grass.
It was a dark and stormy night.
Add salt and pepper to taste.
Click the button to continue.
Once upon a time there was a king.
He bought a new pair of shoes.
The sea is very deep here.
Honey never goes bad.
You can park behind the house.
Penguins cannot fly.
The price includes breakfast.
They painted the fence green.
I love dancing.
Monkeys like to climb.
Our neighbours have two children.
This film lasts two hours.
Do not feed the birds.
Trees lose their leaves in autumn.
ok
No idea.
asdf
Nothing.
Good question!
It depends.
What do you mean?
I would like a cup of tea.
The cake is in the oven.
The moon goes around the earth.
""")
