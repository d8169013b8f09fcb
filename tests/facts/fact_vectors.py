"""The vectors that the specifications print, corrected by the errata: facts with their CIDs, and a causal graph."""

from rhizomedb.facts import Cid, Fact

S = bytes(range(16))
E = bytes(15) + b"\x01"

NOON = Fact(S, "color", "blue")
SUNSET = Fact(S, "color", "orange", [NOON.cid])
MIDNIGHT = Fact(S, "color", "black", [SUNSET.cid])

NOON_BLOCK = "8450000102030405060708090a0b0c0d0e0f65636f6c6f7264626c756580"

SKY = [
    (NOON, NOON_BLOCK, "bafyreidss3yxpusb3ycqsuofpobmp26vbsrpkv273ja4z7g5eydq4fukne"),
    (
        SUNSET,
        "8450000102030405060708090a0b0c0d0e0f65636f6c6f72666f72616e676581d82a5825000171"
        "12207296f177d241de050951c57b82c7ebd50ca2f5575fda41ccfcdd26070e168a69",
        "bafyreidi2cpfhjnncrdkqvle6snwz36nl5wi7zlkuqr32fy6fgbddp3vwi",
    ),
    (
        MIDNIGHT,
        "8450000102030405060708090a0b0c0d0e0f65636f6c6f7265626c61636b81d82a5825000171"
        "122068d09e53a5ad1446a85564f49b6cefcd5f6c8fe56aa423bd171e298231bf75b2",
        "bafyreiekr5jbr4wxfrpih45u5lxwsyk73rocym6gagz2v7czzup5vpmcca",
    ),
]

CAPSULE = (
    "a170706f6d6f64622f76302e312f66616374" + NOON_BLOCK,
    "bafyreie5ce2x7dc6tu6qeg2krk772nna5fm7r5xmkkgrf6vwiy62vebbji",
)

SCALARS = [
    (True, "f5", "bafyreibidt52tu6dea2wajgk4gchd7lwxkvhvvszqa3r2uy7immax54oue"),
    (False, "f4", "bafyreiaz344qnsrwoztaq4j6a3ffasqxym6j7s4ah6sl4ytkrlheotlgua"),
    (0, "00", "bafyreicolzprcbxdw35bzeyqdjxcfaa4t6x6annwmtxe6cwzvqykijwdja"),
    (-1, "20", "bafyreihctgzde3vc4zoone254u6wvnmvflir3osvjn7oivkg2fsa4hga3a"),
    (23, "17", "bafyreiadbme63p5h36cb2zayjufq6ldminkhoh325padspngico26h3yqu"),
    (24, "1818", "bafyreiakejuyxixrje7bowdgddpvyq3png3vr2lzrvdjseiwlaeeuiu2qi"),
    (255, "18ff", "bafyreihbypadt4v34phyhcaahbrfm3curczdvq2n7xtartdq2nrjipnu5m"),
    (256, "190100", "bafyreiaijxi22bihc43oo3kgugbf4j5ylwymmyf4k33jf5x56mrm3n4hqy"),
    (65536, "1a00010000", "bafyreigabcdzgo2axkrnpogrng3d2gh72uijvtwv5bhzd6thsyxcu7i6gi"),
    (2**53, "1b0020000000000000", "bafyreih7c5znq2psveapmexcag4koxhiikant54p67b3bccklbi32fqtk4"),
    (2**63 - 1, "1b7fffffffffffffff", "bafyreict4itmswxs6sl2w7gkb6jk2flj7yyxy2gs5aa7mf5t5kcjpkyiqy"),
    (-(2**63), "3b7fffffffffffffff", "bafyreibfnzehwehs3vtzdt2ahohtp2k4hbehnq4752may3wizkdj7wbnly"),
    (1.0, "fb3ff0000000000000", "bafyreif23urxx4zro75kzyzh5xz7blfytrbzcfw5q6fahkuooe72hjq6sm"),
    (0.0, "fb0000000000000000", "bafyreicia3v6dbms6vmzohtxuihned2iy7vonb3jxax73qpzxlwey4dgbm"),
    (1.5, "fb3ff8000000000000", "bafyreiazzvfvdsmtd5akpy7nal4nbaky4v4bnup57wfdnvsmyqkf2hoj7q"),
    ("", "60", "bafyreiayw67ykyc4b4jo5hlp5mrk47dbcpm44shmfdw57yl6rps3nujvsq"),
    (b"", "40", "bafyreifhryywssu5ko74uydko2ecmxvxxehmlxm5fvkrxnhma4mvlijkiy"),
    ("a\0b", "63610062", "bafyreidyoybn2mpywlbxyny36jii6icmj37qsy647xd65qicxwhdhpctfq"),
    ("\u00e9", "62c3a9", "bafyreiem4f5m7qzrbghta3vwb7qwfxp5ejacvshbquwtdo2b5hln4664ve"),
    ("e\u0301", "6365cc81", "bafyreiblnd2uqx2lfzdqdtximfknqtb5tapo27zwa4shbiurvfo2yezugy"),
    (b"\xff\x00", "42ff00", "bafyreichrd37s6ms56lubc4alopax7pnlsurlnxbyivvpt4o75y5kmwmei"),
    (NOON.cid, "d82a582500" + bytes(NOON.cid).hex(), "bafyreiejsw76szlg5k5lnjhm4arrhdlmw7fohy7yftux5eb3iylehszqgi"),
]
"""A value, its bytes, and the CID of the fact (E, "v", value)."""

NEGATIVE_ZERO = bytes.fromhex("8450" + E.hex() + "6176" + "fb8000000000000000" + "80")
SWAPPED_CAUSES_CID = "bafyreibkfmxq7u3245z34n3hqrpj2zz3siim3yar2wgks5x7vslwojhpbq"

ATTRIBUTES = [
    (7, "bafyreife5k3k2nddunzlqu4fdpsq7dcmpf4zc7bkco3ghrzmaitjio24ky"),
    (0.5, "bafyreibws3l6ga4lxvcbftjmubipeh6677gxrbpd7bwmwxtrguhtlugfta"),
    ("name", "bafyreihrpbdame43fhggaliqmnqhb464cb3u6wtxbbjmmawz6bn3aj6sde"),
    (b"\x01", "bafyreibrcekwxtlc5y26owovoilf7nty7kl36fwhrulqv7muekdqp5bppi"),
    ("", "bafyreiceuhlyxus3sfgmbvilk6xwblwc7lkn5rsa6tak2pyd3hnll7p46y"),
]

_DEF = Fact(b"246", "home", b"357")
PLACES = {
    "abc": (Fact(b"789", "home", b"456"), "bafyreie2koymmkm5ly6nwwzy3nxgkqhxndplrki3ddw4hd4rpni5w4ktli"),
    "def": (_DEF, "bafyreibdnjbrnq76apejikd2h5zgtxpzqgr6y4jp6gzlkb6owy57q5temu"),
    "jkl": (Fact(b"456", "is", "city"), "bafyreiakabzjcfej5md3eyrfumqgu67sy7v32epbeppppebl5z4a63yn2y"),
    "mno": (Fact(b"456", "name", "Vancouver"), "bafyreiehmbr62lcq33a6n425zbfbia2dm74ybyz43abkdqy4jykak4tam4"),
    "pqr": (Fact(b"357", "name", "Calgary"), "bafyreigbmq45am33phpr5wxmob3xctkeggvira2cv3v5lpn7dbaqca766i"),
    "stu": (Fact(b"246", "last_name", "Zelenka"), "bafyreielfckptqyq3idaq7m5bykszqgqce7l4ez7rt3zzqlmkadzhlxnf4"),
    "vwx": (Fact(b"357", "is", "city"), "bafyreigvcgy4owjrypxinseiun7ccqm4rvclhdraqx722cxr7ygvhjlzgq"),
    "yzA": (Fact(b"789", "first_name", "Boris"), "bafyreigmvga4ev7ehbtzvrxcll7ltzzrrwcdtw53bpmqam5abuiis3dprm"),
    "BCD": (Fact(b"246", "first_name", "Brooklyn"), "bafyreihpomwiatxe7yyancsrrpcjslx2furbn2blhrerq54akbrylker2i"),
    "EFG": (Fact(b"246", "home", b"456", [_DEF.cid]), "bafyreicsrpuygjm6xbjhgep6z5wadn4ywmca335cw7fml5m57x4zn3si74"),
    "GHI": (Fact(b"789", "last_name", "Mann"), "bafyreidszsr7kd4dzstvk7uxdsaqa3lpz33osx2ghy6dzdqjpyugtmkbtq"),
}
"""The example graph of PomoDB 4.1.2.2."""

MONROE = Cid.parse("bafyreiaajfbxfnbbdbhvxmowe6t63ytsimv4daiitv5gkqetwrpww5zmsy")

MEALS = """
apple almond, adobo apple, agave bagel, agave adobo, bagel bacon, banana bagel, avocado ambrosia, cake banana,
cinnamon cake, cherry cinnamon, calamari cherry, carrot calamari, chocolate carrot, chocolate avocado, calamari bean,
berry brie, bun carrot, butter bun, brine butter, baklava brine, brie baklava, brie asiago, asiago avocado, bean banana,
ambrosia cinnamon, cake agave, avocado calamari, coffee chocolate, baklava chocolate
"""
"""The causal graph of PomoDB 4.2.2: "x y" says that y is a cause of x."""


def meals() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for edge in MEALS.split(","):
        fact, cause = edge.split()
        graph.setdefault(fact, set()).add(cause)
        graph.setdefault(cause, set())
    return graph


MEAL_COUNTS = """
adobo 2,17 · agave 5,16 · almond 0,19 · ambrosia 9,7 · apple 1,18 · asiago 14,2 · avocado 13,6 · bacon 0,20 ·
bagel 1,19 · baklava 19,2 · banana 2,17 · bean 3,12 · berry 22,0 · brie 21,1 · brine 15,3 · bun 13,5 · butter 14,4 ·
cake 7,15 · calamari 11,11 · carrot 12,8 · cherry 9,12 · chocolate 15,4 · cinnamon 8,14 · coffee 16,0
"""
"""How many ancestors and descendants each has."""
