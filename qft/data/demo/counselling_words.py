"""What clients speak of: per topic a name, situations, details, questions and steps; and the feelings.

A real row: topic "study", situation "{I} failed {my} maths exam", step "plan only one chapter a day".
{I}/{my}/{me} (Chinese: {我}) take the person speaking or spoken to, so that one phrase serves both sides.
"""

# fmt: off
# ruff: noqa: E501

PERSONS = {
    "en": {"client": {"I": "I", "my": "my", "me": "me"}, "counsellor": {"I": "you", "my": "your", "me": "you"},
           "other": {"I": "they", "my": "their", "me": "them"}},
    "zh": {"client": {"我": "我"}, "counsellor": {"我": "你"}, "other": {"我": "他"}},
}

FEELINGS = {
    "en": ["anxious", "ashamed", "lonely", "angry", "exhausted", "helpless", "guilty", "sad", "confused", "afraid"],
    "zh": ["焦虑", "羞愧", "孤独", "生气", "疲惫", "无助", "内疚", "难过", "迷茫", "害怕"],
}

# name, situations, details of a second turn, questions, steps
TOPICS = {
    "en": {
        "study": ("study",
                  ["{I} failed {my} maths exam", "{my} grades dropped this term", "{I} fell behind in two courses"],
                  ["I read the same page again and again", "my classmates all seem faster than me"],
                  ["which subject weighs on you most", "what happens when you sit down to study"],
                  ["plan only one chapter a day", "ask a teacher about one hard question"]),
        "work": ("work",
                 ["{my} boss criticised {me} in a meeting", "{I} missed a deadline at work", "{I} lost {my} job"],
                 ["I check my messages until midnight", "my team no longer asks for my opinion"],
                 ["what did you need from your boss then", "which task takes most of your strength"],
                 ["agree on one clear goal with your boss", "close your laptop at seven tonight"]),
        "sleep": ("sleep",
                  ["{I} lay awake for three nights", "{I} woke up from the same bad dream",
                   "{my} sleep broke down after the night shifts"],
                  ["my thoughts run in circles in the dark", "I look at my phone until two"],
                  ["what goes through your mind at night", "how do your evenings usually end"],
                  ["leave your phone outside the bedroom", "write your worries down before bed"]),
        "love": ("love",
                 ["{my} partner broke up with {me}", "{I} found out that {my} partner lied",
                  "{my} partner stopped answering {my} calls"],
                 ["I read our old messages every night", "every song reminds me of us"],
                 ["what do you miss most about them", "what would you like to tell your partner"],
                 ["write a letter that you do not send", "put the photos away for one month"]),
        "family": ("family",
                   ["{I} had a fight with {my} mother", "{my} parents decided to divorce",
                    "{my} father compared {me} with {my} brother"],
                   ["we have not spoken at dinner since then", "nobody at home listens to me"],
                   ["what do you wish your parents understood", "how do the fights at home begin"],
                   ["tell your parents one wish calmly", "take a short walk before you answer"]),
        "friends": ("friends",
                    ["{my} best friend stopped talking to {me}", "nobody took {me} along on a trip",
                     "{my} friends laughed at {my} idea"],
                    ["I eat lunch alone every day now", "I see their photos without me"],
                    ["what makes a good friend for you", "whom could you trust a little"],
                    ["invite one person for a cup of tea", "ask your friend for an honest talk"]),
        "money": ("money",
                  ["{I} could not pay {my} rent", "{I} lent money that never came back", "{I} spent all {my} savings"],
                  ["I am scared of every letter in the mailbox", "I hide the bills in a drawer"],
                  ["which bill frightens you most", "who knows about your debts"],
                  ["list all bills on one sheet of paper", "call the bank about smaller payments"]),
        "moving": ("moving",
                   ["{I} moved to a new city", "{I} left {my} home village for college", "{I} started over in a foreign country"],
                   ["the flat is silent when I come home", "I do not know anyone in my street"],
                   ["what do you miss about your old home", "where do you feel a little at home here"],
                   ["join one club in your new street", "call someone from home on Sunday"]),
    },
    "zh": {
        "study": ("学习", ["{我}数学考试没及格", "{我}这学期成绩下降了", "{我}有两门课跟不上"],
                  ["一页书我要读好几遍", "同学们好像都比我快"],
                  ["哪一门课让你最有压力", "坐下来学习时会发生什么"],
                  ["每天只计划学一章", "向老师请教一道难题"]),
        "work": ("工作", ["{我}在会上被领导批评了", "{我}错过了工作的期限", "{我}丢了工作"],
                 ["我半夜还在看工作消息", "同事们不再问我的意见"],
                 ["那时你希望领导怎样对你", "哪项任务最消耗你"],
                 ["和领导商量一个明确的目标", "今晚七点就关上电脑"]),
        "sleep": ("睡眠", ["{我}连着三个晚上睡不着", "{我}总被同一个噩梦惊醒", "{我}上夜班后睡眠全乱了"],
                  ["一关灯脑子就停不下来", "我看手机看到两点"],
                  ["夜里你都在想些什么", "你的晚上通常怎样结束"],
                  ["把手机放在卧室外面", "睡前把担心写下来"]),
        "love": ("感情", ["{我}和恋人分手了", "{我}发现恋人说了谎", "{我}的恋人不再接电话"],
                 ["我每晚都翻看以前的聊天", "每首歌都让我想起过去"],
                 ["你最怀念对方的什么", "你想对恋人说些什么"],
                 ["写一封不寄出的信", "把照片收起来一个月"]),
        "family": ("家庭", ["{我}和妈妈大吵了一架", "{我}的父母决定离婚", "{我}总被爸爸拿来和弟弟比"],
                   ["吃饭时我们谁也不说话", "家里没有人听我说"],
                   ["你希望父母明白什么", "家里的争吵是怎么开始的"],
                   ["平静地告诉父母一个愿望", "回答之前先出去走一走"]),
        "friends": ("朋友", ["{我}最好的朋友不理人了", "{我}没有被邀请去旅行", "{我}的想法被朋友们嘲笑"],
                    ["现在我每天一个人吃午饭", "我看到他们没有我的合影"],
                    ["你心里的好朋友是什么样的", "你可以稍微信任谁"],
                    ["约一个人喝杯茶", "请朋友坦诚地谈一次"]),
        "money": ("钱", ["{我}付不起房租", "{我}借出去的钱没有还回来", "{我}花光了积蓄"],
                  ["我害怕信箱里的每一封信", "我把账单藏在抽屉里"],
                  ["哪张账单最让你害怕", "有谁知道你的债务"],
                  ["把账单都列在一张纸上", "打电话和银行商量分期"]),
        "moving": ("搬家", ["{我}搬到了陌生的城市", "{我}离开老家去上大学", "{我}一个人到了国外"],
                   ["回到家屋里一点声音也没有", "这条街上我谁也不认识"],
                   ["你想念老家的什么", "在这里哪里让你稍微安心"],
                   ["参加附近的一个社团", "周日给家里人打个电话"]),
    },
}
