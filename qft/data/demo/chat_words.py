"""Talks among friends, for pre-training: other topics, situations and replies than the counsellor's.

A real row: topic "cooking", situation "{I} burned {my} birthday cake", step "start with a simple soup".
Rows are as in ``counselling_words``, slots of the sentences as in ``counselling_templates``.
"""

# fmt: off

TOPICS = {
    "en": {
        "health": ("health",
                   ["{I} broke {my} arm", "{my} tooth hurts again", "{I} caught a bad cold", "the doctor scolded {me}"],
                   ["the pills taste awful", "I cannot carry my bag"],
                   ["did you see a doctor", "where does it hurt"],
                   ["drink hot tea with honey", "rest on the sofa today"]),
        "sport": ("sport",
                  ["{I} lost the final race", "{my} coach put {me} on the bench", "{I} hurt {my} knee at the match",
                   "{my} team forgot {me}"],
                  ["the others train twice a day", "I run slower than last year"],
                  ["how long did you train", "who won the match"],
                  ["swim a little each morning", "stretch before every run"]),
        "cooking": ("cooking",
                    ["{I} burned {my} birthday cake", "{my} guests did not like {my} soup", "{I} cut {my} finger",
                     "{I} dropped {my} grandmother's plate"],
                    ["the whole kitchen smells of smoke", "the guests left early"],
                    ["what was in the soup", "who was at the table"],
                    ["start with a simple soup", "cook together with a neighbour"]),
        "pets": ("pets",
                 ["{my} cat ran off", "{my} dog bit {me}", "{I} forgot to feed {my} fish", "{my} bird does not sing for {me}"],
                 ["the bowl is still full", "I looked under every car"],
                 ["when did you see the cat last", "what does the vet say"],
                 ["hang a note on every door", "take the dog to the park"]),
        "travel": ("travel",
                   ["{I} missed {my} flight", "{I} left {my} suitcase on the train", "the hotel gave {my} room away",
                    "{my} passport was stolen"],
                   ["the office opens on Tuesday", "it rains in the whole valley"],
                   ["where was the suitcase last", "when does the next bus leave"],
                   ["ask at the lost and found", "book a room by the sea"]),
        "music": ("music",
                  ["{I} forgot {my} solo at the concert", "{my} violin fell down the stairs", "the choir sent {me} home",
                   "{my} band plays without {me}"],
                  ["my hands shake on the stage", "the new song is too fast"],
                  ["which song did you play", "who was in the audience"],
                  ["practise ten minutes after lunch", "play the song for your cousin"]),
        "neighbours": ("neighbours",
                       ["{my} neighbour shouted at {me}", "somebody scratched {my} car", "the people upstairs keep {me} awake",
                        "{I} broke {my} neighbour's window"],
                       ["the music goes on until dawn", "nobody greets on the stairs"],
                       ["did you ring at their door", "what did the neighbour shout"],
                       ["bring them a piece of cake", "put a friendly note on the door"]),
        "driving": ("driving",
                    ["{I} failed {my} driving test", "{I} got lost in the fog", "{my} car broke down on a bridge",
                     "a policeman stopped {me}"],
                    ["the repair takes a month", "everybody honked behind me"],
                    ["how fast did you drive", "what does the repair cost"],
                    ["drive on a quiet road first", "go by bike this week"]),
    },
    "zh": {
        "health": ("健康", ["{我}摔断了胳膊", "{我}的牙又疼了", "{我}得了重感冒", "{我}被医生训了一顿"],
                   ["药苦得咽不下去", "我连包都提不动"], ["看过医生了吗", "是哪里疼"], ["喝点热的蜂蜜茶", "今天在沙发上躺躺"]),
        "sport": ("运动", ["{我}输掉了决赛", "{我}被教练换下场", "{我}比赛时伤了膝盖", "{我}被球队忘了"],
                  ["别人一天练两次", "我跑得比去年慢"], ["练了多久", "比赛谁赢了"], ["每天早上游一会儿泳", "跑步前先拉拉腿"]),
        "cooking": ("做饭", ["{我}把生日蛋糕烤焦了", "{我}煮的汤没人爱喝", "{我}切到了手指", "{我}打碎了奶奶的盘子"],
                    ["整个厨房都是烟味", "客人早早就走了"], ["汤里放了什么", "桌边都有谁"], ["从简单的汤做起", "和邻居一起做菜"]),
        "pets": ("宠物", ["{我}的猫跑丢了", "{我}被狗咬了一口", "{我}忘了喂鱼", "{我}的鸟不肯唱歌"],
                 ["碗里的食还是满的", "每辆车底下我都找过"], ["最后在哪儿见到猫", "兽医怎么说"], ["在每扇门上贴张纸条", "带狗去公园跑跑"]),
        "travel": ("旅行", ["{我}误了飞机", "{我}把箱子落在火车上", "{我}订的房间没有了", "{我}的护照被偷了"],
                   ["柜台星期二才开门", "山谷里一直下雨"], ["箱子最后在哪里", "下一班车几点开"], ["去失物招领处问问", "订一间海边的房"]),
        "music": ("音乐", ["{我}演出时忘了谱", "{我}的小提琴摔坏了", "{我}被合唱团劝退", "{我}的乐队换了人"],
                  ["一上台手就发抖", "新曲子太快了"], ["弹的是哪一首", "台下有哪些人"], ["午饭后练十分钟", "弹给表妹听听"]),
        "neighbours": ("邻居", ["{我}被邻居骂了", "{我}的车被划了", "{我}被楼上吵得受不了", "{我}打破了邻居的窗户"],
                       ["音乐一直放到天亮", "楼道里没人打招呼"], ["敲过门没有", "邻居骂了什么"], ["送一块蛋糕过去", "在门上贴张客气的条"]),
        "driving": ("开车", ["{我}驾照没考过", "{我}在雾里迷了路", "{我}的车坏在桥上", "{我}被警察拦下"],
                    ["修车要一个月", "后面的人都按喇叭"], ["开得有多快", "修车要花几块"], ["先在安静的路上开", "这周改骑自行车"]),
    },
}

TELL = {
    "en": ["Guess what, {mine}. I am {feeling}.", "Hi. {mine}. I am quite {feeling}.", "{mine} today. Oh, I am {feeling}.",
           "Listen, {mine}, how {feeling} I am.", "I am {feeling}, my friend: {mine}.", "{feeling}, that is the word. {mine}.",
           "What a week. {mine}, so here I sit and am {feeling}.", "May I tell you something? {mine}, so I feel {feeling}.",
           "I feel {feeling} today. It is because {mine}.", "You will not believe how {feeling} I am: {mine}."],
    "zh": ["你猜怎么着，{mine}，{feeling}得很。", "嗨，{mine}，真有点{feeling}。", "今天{mine}。唉，{feeling}。", "跟你说，{mine}，多{feeling}啊。",
           "{feeling}死了，朋友，{mine}。", "两个字，{feeling}。{mine}。", "这星期真糟，{mine}，坐着{feeling}。", "说了你不信，{mine}，我{feeling}坏了。",
           "能说说吗？{mine}，所以觉得{feeling}。", "今天我特别{feeling}，就因为{mine}。"],
}

CHEER = {  # a friend's usual answer
    "en": ["Oh no, poor you. Come over tonight and we cook.", "That happens to everyone. Tomorrow we laugh about it.",
           "Oh dear. Last year I had the same with {topic}.", "Never mind, {topic} is not everything.",
           "What a pity. I bring you some cake later.", "Really? Then you have a story for your grandchildren.",
           "Chin up. In a week it is over.", "Do not worry so much about {topic}. Why not {step}?",
           "Ha, I know that well. Just {step}.", "Poor thing. Shall I come with you?"],
    "zh": ["哎呀，真可怜，今晚来我家做饭吧。", "谁都会碰上的，明天就当笑话了。", "唉，去年我在{topic}上也这样。", "没事，{topic}又不是全部。",
           "真可惜，待会儿给你带块蛋糕。", "真的吗？以后可以讲给孙子听了。", "打起精神，过一周就好了。", "{topic}别太操心了，不如{step}。",
           "哈，我懂，{step}就行。", "可怜啊，要不要我陪着去？"],
}

MIRROR = {  # the rarer friend who says back what was said
    "en": ["So {yours}. No wonder you are {feeling}.", "You, {feeling}? Well, {yours}.", "{feeling}, and rightly so: {yours}.",
           "I see, {yours}, and that leaves you {feeling}.", "It seems you are {feeling}, because {yours}.",
           "I hear you. {yours}, it is natural to be {feeling}.", "Thank you for the news. {yours}, so you feel {feeling}.",
           "You feel {feeling} now, I think, because {yours}.", "That hurts. {yours}, how {feeling} you must feel.",
           "I can tell that you feel {feeling}. After all, {yours}."],
    "zh": ["原来{yours}，难怪{feeling}。", "你{feeling}啊？也是，{yours}。", "{feeling}也不奇怪，{yours}嘛。", "明白，{yours}，所以才{feeling}。",
           "看来你感到{feeling}，因为{yours}。", "我听见了，{yours}，{feeling}是自然的。", "谢谢你说出来。{yours}，难免{feeling}。",
           "你现在很{feeling}吧，因为{yours}。", "不容易。{yours}，该有多{feeling}。", "能感到你的{feeling}，毕竟{yours}。"],
}

HINT = {
    "en": ["Why not {step}?", "My tip for {topic}: {step}.", "If I were you, I would {step}.", "Go and {step}, it helps.",
           "Maybe you can {step}. What do you say?", "For {topic}, I would {step}. Shall we?", "You could {step}, how about it?",
           "A small thing first: {step}. Do you feel like it?", "With {topic}, just {step}. Would you try it?"],
    "zh": ["不如{step}？", "{topic}的小窍门是{step}。", "换了是我，就{step}。", "去{step}，管用。", "也许能{step}，怎么样？",
           "关于{topic}，我会{step}。好吗？", "你可以{step}，愿意不？", "先做件小事：{step}。觉得行吗？", "{topic}上试着{step}。怎么看？"],
}

WONDER = {
    "en": ["Oh, {question}?", "Tell me more, {question}?", "Wait, {question}?", "May I know, {question}?", "Let us see: {question}?"],
    "zh": ["哦，{question}？", "多说说，{question}？", "等等，{question}？", "能问问吗，{question}？", "一起看吧：{question}？"],
}

MORE = {
    "en": ["Hm, {detail}.", "To make it worse, {detail}.", "No idea, but {detail}."],
    "zh": ["唔，{detail}。", "更糟的是{detail}。", "不清楚，不过{detail}。"],
}

THANKS = {
    "en": ["All right, good idea.", "You are a real friend.", "Hm, that is hard for me.", "What if I fail again?"],
    "zh": ["好吧，好主意。", "真够朋友。", "唔，对我太难了。", "要是又搞砸呢？"],
}

CLOSE = {
    "en": ["Any time. Call me when it is done.", "Fine, then see you on Friday.", "Bit by bit, {topic} takes time.",
           "Even if you stay {feeling}, my door is open.", "Go slowly. Tell me on Sunday about {topic}.",
           "It need not be perfect. {feeling} or not, I am by your side."],
    "zh": ["随时找我，办好了来个电话。", "好，那周五见。", "一点一点来，{topic}急不得。", "就算还{feeling}，我家的门开着。",
           "慢慢来，周日跟我说说{topic}。", "不用完美，{feeling}也行，我陪你。"],
}
